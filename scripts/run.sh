#!/usr/bin/env bash
# make run: from a fresh checkout to a gateway that has answered a question and done a task.
#
# All of it happens through the `openclaw` commands a person would type, each shown before it
# runs. Afterwards the gateway stays in the foreground with its log; Ctrl-C ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh

readonly OPENCLAW=target/release/openclaw
gateway='' follower='' printed=''

build() {
    local features=()
    with_embedded || features=(--no-default-features)
    say "Building the release binary (minutes the first time, seconds after that)"
    cargo build --release -p openclaw "${features[@]}"
}

# Shows a command as a person would type it, then runs it.
show() {
    local word line='openclaw'
    for word in "$@"; do
        case $word in *[!a-zA-Z0-9_./:=-]*) line+=" \"$word\"" ;; *) line+=" $word" ;; esac
    done
    printf '\033[2m$ %s\033[0m\n' "$line"
    "$OPENCLAW" "$@"
}

status_says() { "$OPENCLAW" gateway status --json | tr -d ' \n' | grep -q "$1"; }

refuse_a_second() {
    status_says '"running":true' || return 0
    say "A gateway already runs from this state directory"
    "$OPENCLAW" gateway status
    cat <<'TEXT'

Talk to it:      target/release/openclaw agent --message "Hello"
Replace it:      target/release/openclaw gateway stop, then make run
Start another:   OPENCLAW_STATE_DIR=~/.openclaw-2 OPENCLAW_GATEWAY_PORT=18800 make run
TEXT
    exit 0
}

fetch_model() {
    with_embedded || return 0
    say "The embedded model (98 MB, once)"
    show models pull && return
    cat <<'TEXT'

No model could be fetched; the gateway starts all the same. Any of the ways out above gives it one, also
while it runs; another provider's key is read at the start: OPENAI_API_KEY=... make run
TEXT
    return 0
}

start_gateway() {
    say "Starting the gateway"
    # The demonstration speaks first; what the gateway says in the meantime is kept for the case
    # that it ends, and for the end of this script.
    printed=$(mktemp)
    trap 'stop_gateway 130' INT
    trap 'stop_gateway 143' TERM
    trap 'stop_gateway $?' EXIT
    # In a process group of its own: Ctrl-C is ours to pass on, once, as a request to finish.
    set -m
    "$OPENCLAW" gateway start >"$printed" 2>&1 &
    gateway=$!
    set +m
    await_ready
    cat "$printed"
}

await_ready() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        status_says '"ready":true' && return
        if ! kill -0 "$gateway" 2>/dev/null; then
            local code=0
            wait "$gateway" || code=$?
            gateway=''
            cat "$printed"
            [ "$code" -ne 2 ] || echo "Another port: OPENCLAW_GATEWAY_PORT=18800 make run"
            exit "$code"
        fi
        sleep 0.2
    done
    cat "$printed"
    stop "The gateway is not ready after a minute."
}

stop_gateway() {
    trap - TERM EXIT
    # Once more means at once.
    trap 'kill -TERM "$gateway"' INT
    if [ -n "$gateway" ] && kill -TERM "$gateway" 2>/dev/null; then
        until wait "$gateway" || ! kill -0 "$gateway" 2>/dev/null; do :; done
    fi
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -f "$printed"
    exit "$1"
}

demonstrate() {
    say "One question, answered as it is thought"
    show agent --message "What is the capital of France?" || echo "(no answer: $?)"
    say "One task, which would go on without us"
    show tasks submit --wait --message "Name three colours." || echo "(no result: $?)"
}

next_things() {
    local port
    port=$("$OPENCLAW" gateway status --json | tr -d ' \n' | grep -o '"port":[0-9]*' | cut -d: -f2)
    say "The gateway is yours: http://127.0.0.1:$port"
    cat <<TEXT
In another terminal, from this folder:

  PATH=\$PWD/target/release:\$PATH${OPENCLAW_STATE_DIR:+
  export OPENCLAW_STATE_DIR=$OPENCLAW_STATE_DIR}
  openclaw agent --message "Hello"
  openclaw tasks list
  openclaw sessions list
  openclaw config get gateway.auth.token

  TOKEN=\$(openclaw config get gateway.auth.token)
  curl http://127.0.0.1:$port/v1/chat/completions -H "Authorization: Bearer \$TOKEN" \\
    -H 'Content-Type: application/json' -d '{"model":"openclaw","stream":true,
    "messages":[{"role":"user","content":"What is the capital of France?"}]}'
  curl http://127.0.0.1:$port/v2/tasks -H "Authorization: Bearer \$TOKEN" \\
    -H 'Content-Type: application/json' -d '{"type":"agent","input":{"message":"Name three colours."}}'

WebSocket: ws://127.0.0.1:$port/ws?token=...   Ctrl-C here ends the gateway; its log follows.

TEXT
}

need_cargo
need_packages
build
refuse_a_second
fetch_model
start_gateway
demonstrate
next_things
set -m
tail -n 0 -f "$printed" &
follower=$!
set +m
code=0
wait "$gateway" || code=$?
gateway=''
stop_gateway "$code"
