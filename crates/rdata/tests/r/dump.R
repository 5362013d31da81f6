# A value as one text that says all of it, for comparisons: `dump_of(x)`. The same is
# written in Rust beside this file.

as_hex <- function(bytes) paste(as.character(bytes), collapse = "")

doubles <- function(x) {
  x <- as.vector(unclass(x))
  # 17 digits would do as well, but a double has only one form in bytes.
  texts <- vapply(x, function(one) as_hex(writeBin(one, raw(), endian = "big")), "")
  texts[is.nan(x)] <- "NaN"
  texts[is.na(x) & !is.nan(x)] <- "NA"
  texts
}

texts_of <- function(x) {
  vapply(seq_along(x), function(at) {
    one <- x[at]
    if (is.na(one)) return("NA")
    if (Encoding(one) == "bytes") {
      codes <- as.integer(charToRaw(one))
      parts <- ifelse(codes < 128, intToUtf8(codes, multiple = TRUE), sprintf("\\x%02x", codes))
      return(paste0("'", as_hex(charToRaw(paste(parts, collapse = "")))))
    }
    paste0("'", as_hex(charToRaw(enc2utf8(one))))
  }, "")
}

vector_of <- function(kind, texts) paste0(kind, "[", paste(texts, collapse = ","), "]")

is_missing <- function(x) identical(x, quote(expr = ))

# Members of a call or pairlist; an argument that is left out cannot be held in a variable.
members_of <- function(kind, x) {
  x <- as.list(x)
  tags <- names(x)
  parts <- character()
  for (at in seq_along(x)) {
    tag <- if (is.null(tags) || !nzchar(tags[[at]])) "" else paste0(as_hex(charToRaw(enc2utf8(tags[[at]]))), "=")
    value <- if (is_missing(x[[at]])) "missing" else dump_of(x[[at]])
    parts[[at]] <- paste0(tag, value)
  }
  vector_of(kind, parts)
}

place_of <- function(x) {
  if (identical(x, globalenv())) return("place:global")
  if (identical(x, baseenv())) return("place:base")
  if (identical(x, emptyenv())) return("place:empty")
  if (isNamespace(x)) return(paste0("place:namespace:", getNamespaceName(x)))
  name <- attr(x, "name")
  if (!is.null(name) && startsWith(name, "package:")) return(paste0("place:", name))
  "environment"
}

attributes_of <- function(x, kind) {
  if (kind %in% c("symbol", "NULL", "environment", "char", "builtin", "special", "bytecode")) return("")
  own <- attributes(x)
  if (is.null(own)) return("")
  names <- names(own)
  if (kind %in% c("language", "pairlist")) names <- setdiff(names, "names")
  parts <- character()
  for (name in sort(names, method = "radix")) {
    parts[[length(parts) + 1L]] <- paste0(as_hex(charToRaw(enc2utf8(name))), "=", dump_of(own[[name]]))
  }
  if (length(parts)) paste0("{", paste(parts, collapse = ","), "}") else ""
}

data_of <- function(x, kind) {
  count <- if (kind %in% c("integer", "double")) length(unclass(x)) else 0
  if (count > 5000) {
    ends <- unclass(x)[c(1, 2, count)]
    shown <- if (kind == "integer") as.character(ends) else doubles(ends)
    return(paste0(substr(kind, 1, 3), sprintf("%.0f", count), vector_of("", shown)))
  }
  switch(kind,
    "NULL" = "NULL",
    logical = vector_of("log", ifelse(is.na(x), "NA", ifelse(as.vector(unclass(x)), "T", "F"))),
    integer = vector_of("int", as.character(as.vector(unclass(x)))),
    double = vector_of("dou", doubles(x)),
    complex = vector_of("com", paste0(doubles(Re(as.vector(x))), "+", doubles(Im(as.vector(x))))),
    character = vector_of("cha", texts_of(unclass(x))),
    raw = vector_of("raw", as.character(unclass(x))),
    list = , expression = vector_of(kind, vapply(seq_along(unclass(x)), function(at) {
      if (is_missing(.subset2(x, at))) "missing" else dump_of(.subset2(x, at))
    }, "")),
    pairlist = , language = members_of(kind, x),
    symbol = paste0("symbol:", as_hex(charToRaw(enc2utf8(as.character(x))))),
    environment = place_of(x),
    builtin = , special = paste0(kind, ":", sub('.*"(.*)".*', "\\1", deparse(x))),
    closure = {
      body <- body(x)
      paste0(
        "closure(", members_of("pairlist", formals(x)), ",",
        if (is_missing(body)) "missing" else dump_of(body), ",", place_of(environment(x)), ")"
      )
    },
    paste0("opaque:", kind)
  )
}

dump_of <- function(x) {
  kind <- typeof(x)
  paste0(data_of(x, kind), attributes_of(x, kind))
}
