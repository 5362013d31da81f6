#!/bin/sh
# Starts R's client with the loader and the libraries of this layer: those of Lambda are
# older. Nothing of it is in LD_LIBRARY_PATH, which other programs would take for theirs.
r=/opt/r
export R_HOME=$r/home LANG=C.UTF-8 LC_ALL=C.UTF-8
export LOCPATH=$r/locale GCONV_PATH=$r/gconv TZDIR=$r/zoneinfo
# Debian's libraries look for certificates elsewhere than Lambda has them.
bundle=/etc/pki/tls/certs/ca-bundle.crt
if [ -z "${CURL_CA_BUNDLE:-}" ] && [ -f "$bundle" ]; then
    export CURL_CA_BUNDLE=$bundle SSL_CERT_FILE=${SSL_CERT_FILE:-$bundle}
fi
[ $# -gt 0 ] || set -- lambda
exec $r/lib/@LOADER@ --library-path $r/lib:$r/home/lib:/var/task/lib:/opt/lib $r/bin/squall __r "$@"
