#!/usr/bin/env bash
# make sdk: OpenAI's own SDKs, unmodified (C36), the Open Responses specification and our own client (C40)
# against a gateway of this tree.
#
# Makes a folder for itself with a Python venv and Node projects, installs the SDKs there, starts the
# scripted model and a gateway on free ports, and asks everything the SDKs can ask. Needs python3 with venv,
# node 20 and npm, and their registries; says so and fails where one is missing. Leaves nothing running.
# SDK_BINARIES names a folder with an `openclaw` and an `examples/upstream` that are built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/setup.sh

readonly PYTHON_SDK='openai>=3.54,<4' SPECIFICATION='openresponses-types>=2.4,<3' NODE_SDK='openai@^6.49.0' NODE_SCHEMAS='zod@^4.6.7'
folder=$(mktemp -d) pids=()

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap clean_up EXIT

# Waits for the address that a server prints, and gives it.
address_in() {
    for _ in $(seq 300); do
        if grep -oPm1 'http://[0-9.:]+' "$1"; then return; fi
        sleep 0.1
    done
    cat "$1" "$1.err" >&2
    stop "It did not start in time."
}

serve() {
    local name=$1
    shift
    "$@" >"$folder/$name" 2>"$folder/$name.err" &
    pids+=($!)
    address_in "$folder/$name"
}

for tool in python3 node npm; do
    command -v "$tool" >/dev/null || stop "$tool is missing." "  Debian, Ubuntu   sudo apt-get install python3-venv nodejs npm"
done
need_cargo
need_packages
binaries=${SDK_BINARIES:-${CARGO_TARGET_DIR:-target}/debug}

say "the SDKs"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$PYTHON_SDK" "$SPECIFICATION" httpx
mkdir "$folder/node"
cp scripts/sdk/node_openai.mjs "$folder/node/"
npm install --prefix "$folder/node" --silent --no-fund --no-audit "$NODE_SDK" "$NODE_SCHEMAS"

cp -R sdks/typescript/openclaw-client "$folder/client"
(cd "$folder/client" && npm ci --silent --no-fund --no-audit && npm run --silent build)

say "the gateway"
if [ -z "${SDK_BINARIES:-}" ]; then
    cargo build --quiet -p openclaw --bin openclaw --no-default-features
    cargo build --quiet -p claw-testkit --example upstream
fi
mkdir -m 700 "$folder/state"
# Servers run beside this shell, not in one of their own: their pids are kept here.
serve model "$binaries/examples/upstream" 0 sdk >/dev/null
upstream=$(address_in "$folder/model")
token=oc_gw_sdk
(
    umask 077
    cat >"$folder/state/openclaw.json" <<JSON
{
  gateway: { auth: { token: "$token" }, limits: { requestsPerMinute: 0, maxConcurrent: 0 } },
  models: { providers: { mock: { baseUrl: "$upstream/v1",
    models: [{ id: "quick" }, { id: "busy" }, { id: "slow" }, { id: "broken" }, { id: "denied" }, { id: "unwilling" }, { id: "thoughtful" }, { id: "org/deep" }] } } },
  agents: { defaults: { model: { primary: "mock/quick" } } },
}
JSON
)
serve gateway env -i PATH="$PATH" HOME="$folder/state" OPENCLAW_STATE_DIR="$folder/state" \
    LLVM_PROFILE_FILE="${LLVM_PROFILE_FILE:-$folder/unused.profraw}" \
    "$binaries/openclaw" gateway start --port 0 >/dev/null
gateway=$(address_in "$folder/gateway")

say "Python"
"$folder/venv/bin/python" scripts/sdk/python_openai.py "$gateway/v1" "$token"
say "the Open Responses specification"
"$folder/venv/bin/python" scripts/sdk/open_responses.py "$gateway/v1" "$token"
say "Node"
(cd "$folder/node" && node node_openai.mjs "$gateway/v1" "$token")
say "our own client"
(cd "$folder/client" && OPENCLAW_URL="$gateway" OPENCLAW_TOKEN="$token" npm test --silent)
