/* Of macOS: see tests/foreign/compile.sh. */
char ***_NSGetEnviron(void);
