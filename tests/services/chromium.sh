# A real browser for the tests of the console. To be sourced after common.sh.
#
# chromium_find WORK: uses CHROMIUM where it is set; else a Chromium or Chrome on the path, else Debian's package.
#   Sets CHROMIUM; returns 1 and sets CHROMIUM_WHY_NOT where there can be none.

CHROMIUM_WHY_NOT=

chromium_find() { # WORK
  local name log="$1/chromium-package.log"
  [ -z "${CHROMIUM:-}" ] || return 0
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    CHROMIUM=$(command -v "$name") && return 0
  done
  command -v apt-get >/dev/null || { CHROMIUM_WHY_NOT="there is none on the path, and no apt-get"; return 1; }
  as_root apt-get update >"$log" 2>&1 </dev/null || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core \
    >>"$log" 2>&1 </dev/null || true
  CHROMIUM=$(command -v chromium) && return 0
  tail -n 5 "$log" >&2
  CHROMIUM_WHY_NOT="there is none on the path, and Debian's package could not be installed (see $log)"
  return 1
}
