#!/usr/bin/env bash
# Install, through apt, the Debian packages the tests need; stop and name them where that cannot be.
# usage: system_packages.sh [PYTHON [conformance]]
set -euo pipefail

python=${1:-python3}
purpose=${2:-test}
read_release='import sys; print("python%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))'
if ! release=$("$python" -c "$read_release" 2>/dev/null); then
    echo "$python is not Python 3.11 or later; name one: make PYTHON=python3.12" >&2
    exit 1
fi

need() { # need PACKAGE COMMAND...: the package is missing where the command fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

survey() {
    missing=()
    need chromium command -v chromium
    need chromium-driver command -v chromedriver
    need redis-server command -v redis-server
    need nginx-light test -x /usr/sbin/nginx
    need haproxy test -x /usr/sbin/haproxy
    need gcc command -v gcc
    need "$release-dev" "$python" -c '
import os, sysconfig
os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))'
    need "$release-venv" "$python" -c 'import ensurepip, venv'
    if [ "$purpose" = conformance ]; then
        need firefox-esr command -v firefox-esr
        need nodejs command -v node
        need npm command -v npm
    fi
}

survey
[ ${#missing[@]} -eq 0 ] && exit 0

# without either of these two there is no way to install, and a question would hang an unattended run
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get -qq update &&
        "${as_root[@]}" apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null || true
    survey
fi
if [ ${#missing[@]} -ne 0 ]; then
    echo "the tests need what these Debian packages bring: ${missing[*]}" >&2
    echo "install them: apt install ${missing[*]}" >&2
    exit 1
fi
