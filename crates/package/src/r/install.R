# Installs one package, in one version or the newest, from a repository of CRAN's form.
local({
  given <- commandArgs(TRUE)
  repository <- given[[1]]; name <- given[[2]]; version <- given[[3]]; library <- given[[4]]
  own <- getOption("repos")[1]
  if (given[[5]] == "-" && length(own) && grepl("^(https?|file):", own)) repository <- own
  repository <- sub("/$", "", repository)
  options(repos = c(CRAN = repository), timeout = 300, warn = 1)
  .libPaths(c(library, .libPaths()))
  known <- tryCatch(available.packages(), error = function(e) NULL)
  if (is.null(known) || !nrow(known)) {
    message("squall: the repository does not answer")
    quit(status = 9)
  }
  newest <- if (name %in% rownames(known)) known[name, "Version"] else ""
  if (version == "-" || version == newest) {
    install.packages(name, lib = library, quiet = TRUE)
  } else {
    # What is not the newest is among the old ones, and does not say what it needs
    # before it is there.
    file <- paste0(name, "_", version, ".tar.gz")
    from <- paste0(repository, "/src/contrib/Archive/", name, "/", file)
    to <- file.path(tempdir(), file)
    download.file(from, to, quiet = TRUE)
    untar(to, paste0(name, "/DESCRIPTION"), exdir = tempdir())
    said <- read.dcf(file.path(tempdir(), name, "DESCRIPTION"), c("Depends", "Imports", "LinkingTo"))
    needed <- trimws(sub("\\(.*", "", unlist(strsplit(said[!is.na(said)], ","))))
    missing <- setdiff(needed, c("R", rownames(installed.packages())))
    if (length(missing)) install.packages(missing, lib = library, quiet = TRUE)
    install.packages(to, lib = library, repos = NULL, type = "source", quiet = TRUE)
  }
  quit(status = if (dir.exists(file.path(library, name))) 0 else 1)
})
