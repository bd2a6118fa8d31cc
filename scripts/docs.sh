#!/usr/bin/env bash
# Makes the reference from include/*.h: HTML in build/docs/html, man pages in build/docs/man.
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/docs

# version_part NAME: a number of the version, as the header says it.
version_part() {
  sed -n "s/^#define DGRAM_VERSION_$1 \([0-9]*\)$/\1/p" include/dgram.h
}

scripts/setup.sh check docs
scripts/check-contracts.sh

rm -rf "$out"
mkdir -p "$out/man/man3"
DGRAM_VERSION="$(version_part MAJOR).$(version_part MINOR).$(version_part PATCH)" \
  doxygen docs/Doxyfile
# The main header's page is the reference; there is nothing for a page before it to say. Its tab
# "Headers" lists the others.
cp "$out/html/dgram_8h.html" "$out/html/index.html"

xsltproc "$out/xml/combine.xslt" "$out/xml/index.xml" |
  xsltproc --stringparam folder "$out/man/man3/" docs/man.xsl -

echo "The reference is there:"
echo "  $out/html/index.html"
echo "  man -M $out/man dgram      and a page for each other header and function: dgram_bind, ..."
