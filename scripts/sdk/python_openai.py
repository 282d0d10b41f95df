"""Asks a running gateway with OpenAI's own Python SDK, unmodified and strict about every type (C36).

    python -m venv /tmp/venv && /tmp/venv/bin/pip install openai
    /tmp/venv/bin/python scripts/sdk/python_openai.py http://127.0.0.1:18789/v1 "$TOKEN"

The model behind the gateway should call a function when it is offered one; what it says is not looked at.
"""

import sys
import time

from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

base_url, token = sys.argv[1:3]
model = sys.argv[3] if len(sys.argv) > 3 else "openclaw"
client = OpenAI(base_url=base_url, api_key=token, _strict_response_validation=True)
parameters = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
function = {"name": "get_weather", "description": "The weather of a city.", "parameters": parameters}
messages = [{"role": "user", "content": "What is the weather in Paris?"}]


def chat():
    whole = client.chat.completions.create(model=model, messages=messages, max_completion_tokens=50)
    assert whole.choices[0].message.content and whole.usage.total_tokens > 0, whole
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks
    assert chunks[-1].usage.total_tokens > 0, chunks[-1]
    tools = [{"type": "function", "function": function}]
    asked = client.chat.completions.create(model=model, messages=messages, tools=tools)
    call = asked.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather", asked
    answer = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    told = client.chat.completions.create(
        model=model, messages=[*messages, asked.choices[0].message, answer], tools=tools
    )
    assert told.choices[0].message.content, told
    with client.chat.completions.stream(model=model, messages=messages, tools=tools) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.tool_calls, "a streamed call"


def responses():
    whole = client.responses.create(model=model, input="Hello", instructions="Be brief.", metadata={"a": "b"})
    assert whole.output_text and whole.status == "completed", whole
    events = list(client.responses.create(model=model, input="Hello", stream=True))
    assert events[-1].type == "response.completed" and events[-1].response.output_text, events[-1]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    with client.responses.stream(model=model, input="Hello") as stream:
        stream.until_done()
        assert stream.get_final_response().output_text
    again = client.responses.retrieve(whole.id)
    assert again.output_text == whole.output_text, again
    tools = [{"type": "function", "strict": True, **function}]
    asked = client.responses.create(model=model, input="What is the weather in Paris?", tools=tools)
    call = asked.output[0]
    assert call.type == "function_call" and call.name == "get_weather", asked
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    told = client.responses.create(model=model, previous_response_id=asked.id, input=[output], tools=tools)
    assert told.output_text, told
    by_hand = [{"role": "user", "content": "What is the weather in Paris?"}, *asked.output, output]
    assert client.responses.create(model=model, input=by_hand, tools=tools).output_text
    with client.responses.stream(model=model, input="Weather in Paris?", tools=tools) as stream:
        stream.until_done()
        assert stream.get_final_response().output[0].type == "function_call"
    items = list(client.responses.input_items.list(told.id, order="asc"))
    assert [item.type for item in items] == ["message", "function_call", "function_call_output"], items
    client.responses.delete(told.id)
    refused(NotFoundError, lambda: client.responses.retrieve(told.id))


def background():
    queued = client.responses.create(model=model, input="Hello", background=True)
    assert queued.status == "queued", queued
    while queued.status in ("queued", "in_progress"):
        time.sleep(0.05)
        queued = client.responses.retrieve(queued.id)
    assert queued.output_text, queued
    events = list(client.responses.retrieve(queued.id, stream=True, starting_after=2))
    assert events[0].sequence_number == 3 and events[-1].type == "response.completed", events
    assert client.responses.cancel(queued.id).status == "completed"


def models():
    listed = client.models.list()
    assert listed.data, listed
    for entry in listed.data:
        assert client.models.retrieve(entry.id).id == entry.id
    raw = client.models.with_raw_response.list()
    assert raw.headers["x-request-id"]


def refused(kind, call):
    try:
        call()
    except APIStatusError as error:
        assert isinstance(error, kind) and error.request_id and error.code, error
        return error
    raise AssertionError(f"expected {kind.__name__}")


def refusals():
    refused(NotFoundError, lambda: client.models.retrieve("no/such/model"))
    error = refused(BadRequestError, lambda: client.chat.completions.create(model=model, messages=messages, n=2))
    assert error.param == "n", error
    error = refused(BadRequestError, lambda: client.responses.create(model=model, input="x", tools=["no_such_tool"]))
    assert error.param == "tools[0]", error


for part in (models, chat, responses, background, refusals):
    part()
    print(f"{part.__name__}: ok")
