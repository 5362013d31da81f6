
# R asks a program where other programs are, which Lambda does not have.
Sys.which <- function(names) {
  found <- character(length(names))
  names(found) <- names
  folders <- strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1L]]
  for (i in seq_along(names)) {
    name <- names[[i]]
    if (is.na(name)) {
      found[i] <- NA_character_
      next
    }
    paths <- if (grepl("/", name, fixed = TRUE)) name else file.path(folders, name)
    there <- file.access(paths, 1L) == 0L & !dir.exists(paths)
    if (any(there)) found[i] <- paths[there][[1L]]
  }
  found
}
