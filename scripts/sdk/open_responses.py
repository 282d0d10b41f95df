"""Holds a running gateway's `/v1/responses` against the models of the Open Responses specification.

`make sdk` runs it with a scripted model, with the package `openresponses-types` (made from the specification's own
schema). Every answer and every event must be one of the specification's, and hold what it requires.

    /tmp/venv/bin/python scripts/sdk/open_responses.py http://127.0.0.1:18789/v1 "$TOKEN"
"""

import json
import sys
from typing import get_args

import httpx
from openresponses_types import types
from pydantic import BaseModel

base_url, token = sys.argv[1:3]
client = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {token}"}, timeout=30)
question = {"model": "openclaw", "input": "What is the weather in Paris?"}
function = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def streaming_events():
    """The specification's events by their `type`, which is an enumeration or a literal of one word."""
    found = {}
    for name, value in vars(types).items():
        if name.endswith("StreamingEvent") and issubclass(value, BaseModel):
            annotation = value.model_fields["type"].annotation
            (word,) = get_args(annotation) or annotation
            found[str(word)] = value
    return found


EVENTS = streaming_events()


def resource(answer):
    """The response of an answer, with every field that the specification requires."""
    assert answer.status_code == 200, answer.text
    return checked(answer.json())


def checked(response):
    """A response as the specification has it, but for one field where it contradicts OpenAI's SDKs: there a
    response shows the JSON schema that it was asked for, here it may only be null."""
    shown = json.loads(json.dumps(response))
    if shown["text"]["format"]["type"] == "json_schema":
        assert isinstance(shown["text"]["format"].pop("schema"), dict), response
        shown["text"]["format"]["schema"] = None
    return types.ResponseResource.model_validate(shown)


def created(**fields):
    return resource(client.post("/responses", json={**question, **fields}))


def streamed(**fields):
    """The events of a stream, each of which has to be the specification's, in its order."""
    events, name = [], None
    with client.stream("POST", "/responses", json={**question, **fields, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
        lines = list(answer.iter_lines())
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data" and value != "[DONE]":
            event = json.loads(value)
            assert event["type"] == name, f"the event is called {name}: {value}"
            EVENTS[name].model_validate(event)
            events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    began = [event["type"] for event in events if event["type"] != "response.queued"]
    assert began[:2] == ["response.created", "response.in_progress"], began
    # Only what has been answered is done: a failure is the last that is heard.
    assert ("data: [DONE]" in lines) == (began[-1] == "response.completed"), lines
    return events


def places(events):
    """Every item and part is opened, filled and closed at its place, and is in the response as it was closed."""
    items, texts = {}, {}
    for event in events:
        at = (event.get("output_index"), event.get("content_index"))
        match event["type"]:
            case "response.output_item.added":
                assert at[0] == len(items), event
                items[at[0]] = None
            case "response.output_text.delta" | "response.function_call_arguments.delta" | "response.refusal.delta":
                texts[at] = texts.get(at, "") + event["delta"]
            case "response.reasoning_summary_text.delta":
                texts[at] = texts.get(at, "") + event["delta"]
            case "response.output_text.done" | "response.reasoning_summary_text.done":
                assert texts.get(at, "") == event["text"], event
            case "response.refusal.done":
                assert texts.get(at, "") == event["refusal"], event
            case "response.function_call_arguments.done":
                assert texts.get(at, "") == event["arguments"], event
            case "response.output_item.done":
                assert items[at[0]] is None, event
                items[at[0]] = event["item"]
    assert events[-1]["response"]["output"] == list(items.values()), events[-1]


def answers():
    whole = created(instructions="Be brief.", metadata={"a": "b"}, temperature=0.5, top_p=0.9, max_output_tokens=64)
    assert (whole.status, whole.instructions, whole.temperature) == ("completed", "Be brief.", 0.5), whole
    resource(client.get(f"/responses/{whole.id}"))
    call = created(tools=[function], tool_choice="required", parallel_tool_calls=False)
    said = call.output[-1].root if hasattr(call.output[-1], "root") else call.output[-1]
    output = {"type": "function_call_output", "call_id": said.call_id, "output": "rain"}
    created(previous_response_id=call.id, input=[output], tools=[function])
    schema = {"type": "json_schema", "name": "weather", "strict": True, "schema": function["parameters"]}
    created(text={"format": schema, "verbosity": "low"})
    created(reasoning={"effort": "low", "summary": "auto"}, store=False, user="ann", safety_identifier="s")
    created(tools=["fs_read", "fs_list"])
    created(service_tier="auto", truncation="auto", prompt_cache_key="k", max_tool_calls=3, include=[])


def inputs():
    """What the specification's own request model takes is taken."""
    picture = "data:image/png;base64,iVBORw0KGgo="
    for items in [
        "Hello",
        [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
         {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
        [{"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": picture, "detail": "low"}]}],
        [{"type": "message", "role": "user", "content": "Hi"},
         {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]},
         {"type": "message", "role": "user", "content": "And now?"}],
        [{"type": "message", "role": "user", "content": "Weather?"},
         {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
         {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "rain"}]}],
    ]:
        body = {**question, "input": items}
        types.CreateResponseBody.model_validate(body)
        resource(client.post("/responses", json=body))


def streams():
    for fields in ({}, {"tools": [function]}, {"tools": ["session_status"]}, {"stream_options": {"include_obfuscation": False}}):
        events = streamed(**fields)
        assert events[-1]["type"] == "response.completed", events[-1]
        places(events)
    broken = streamed(model="mock/broken")
    assert broken[-1]["type"] == "response.failed", broken[-1]
    assert broken[-1]["response"]["error"]["message"], broken[-1]


def reasoning():
    """A model that reasons and one that refuses: items, parts and events of their own, streamed as whole."""
    for fields, kinds in (
        ({"reasoning": {"summary": "auto"}}, ["reasoning", "message"]),
        ({"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}, ["reasoning", "message"]),
        ({"tools": [function], "store": False}, ["reasoning", "function_call"]),
    ):
        events = streamed(model="mock/thoughtful", **fields)
        places(events)
        said = [item["type"] for item in events[-1]["response"]["output"]]
        whole = [getattr(item, "root", item).type for item in created(model="mock/thoughtful", **fields).output]
        assert said == whole == kinds, (said, whole)
    thought = events_of(streamed(model="mock/thoughtful", reasoning={"summary": "auto"}), "response.reasoning_summary_text.done")
    assert [event["text"] for event in thought] == ["Let me think."], thought
    events = streamed(model="mock/unwilling")
    places(events)
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not."}], events[-1]
    # What was given is taken again.
    first = client.post("/responses", json={**question, "model": "mock/thoughtful", "tools": [function]}).json()
    call = first["output"][-1]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    items = [{"type": "message", "role": "user", "content": "Weather?"}, *first["output"], output]
    created(model="mock/thoughtful", input=items, tools=[function])


def events_of(events, kind):
    return [event for event in events if event["type"] == kind]


def background():
    queued = created(background=True)
    assert queued.status in ("queued", "in_progress"), queued
    events = streamed(background=True)
    assert events[-1]["type"] == "response.completed", events[-1]
    waiting = created(model="mock/slow", background=True)
    cancelled = resource(client.post(f"/responses/{waiting.id}/cancel"))
    assert cancelled.status == "cancelled", cancelled


def compaction():
    first = created(input="My name is Ann.")
    answer = client.post("/responses/compact", json={"model": "openclaw", "previous_response_id": first.id})
    assert answer.status_code == 200, answer.text
    types.CompactResource.model_validate_json(answer.text)
    items = client.get(f"/responses/{first.id}/input_items").json()
    assert items["object"] == "list" and items["data"][0]["type"] == "message", items


for check in (answers, inputs, streams, reasoning, background, compaction):
    check()
    print(f"ok  {check.__name__}")
