# Rscript identical.R FOLDER AGAIN: what was written again must be what it was.

arguments <- commandArgs(TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "dump.R"))
setClass("Point", representation(x = "numeric", y = "numeric", label = "character"))
setClass("Named", representation(extra = "list"), contains = "numeric")
setClass("Holder", representation(inner = "Point", any = "ANY"))

wrong <- character()
for (file in list.files(arguments[[2]])) {
  was <- readRDS(file.path(arguments[[1]], sub("\\.(two|three)\\.rds$", ".gzip.rds", file)))
  is <- readRDS(file.path(arguments[[2]], file))
  name <- sub("\\..*", "", file)
  if (grepl("^sequence-(huge|of)", name)) {
    same <- identical(c(length(is), is[1:3], is[length(is)]), c(length(was), was[1:3], was[length(was)]))
  } else {
    shown <- dump_of(was)
    same <- identical(shown, dump_of(is))
    # Environments are other ones, and texts of bytes are plain now.
    if (!grepl("environment|opaque", shown) && name != "text-bytes") same <- same && identical(was, is)
  }
  if (!same) wrong <- c(wrong, file)
}
if (length(wrong)) stop("not the same: ", paste(wrong, collapse = " "))
