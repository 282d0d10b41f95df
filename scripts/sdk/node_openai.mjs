// Asks a running gateway with OpenAI's own Node SDK, unmodified (C36).
//
// `make sdk` runs it with a scripted model. The SDK itself checks no types, so every kind of answer is held
// against a schema here: a missing field, or one of another type, fails.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const [baseURL, apiKey, model = 'openclaw'] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const name = 'get_weather';
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const described = { name, description: 'The weather of a city.', parameters };
const messages = [{ role: 'user', content: 'What is the weather in Paris?' }];
const Weather = z.object({ city: z.string(), celsius: z.number() });

const Counts = z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() });
const Call = z.object({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const Completion = z.looseObject({
  id: z.string().startsWith('chatcmpl-'),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.looseObject({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(Call).optional(),
      }),
      logprobs: z.null(),
      finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter']),
    }),
  ),
  usage: Counts,
});
const Chunk = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  choices: z.array(z.looseObject({ index: z.int(), delta: z.looseObject({}), finish_reason: z.string().nullable() })),
  usage: Counts.nullish(),
});
const Message = z.looseObject({
  type: z.literal('message'),
  id: z.string(),
  status: z.enum(['completed', 'incomplete', 'in_progress']),
  role: z.literal('assistant'),
  content: z.array(
    z.object({
      type: z.literal('output_text'),
      text: z.string(),
      annotations: z.array(z.never()),
      logprobs: z.array(z.never()),
    }),
  ),
});
const FunctionCall = z.looseObject({
  type: z.literal('function_call'),
  id: z.string(),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status: z.string(),
});
const Response = z.looseObject({
  id: z.string().startsWith('resp_'),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['completed', 'failed', 'in_progress', 'cancelled', 'queued', 'incomplete']),
  background: z.boolean(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.string() }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(z.discriminatedUnion('type', [Message, FunctionCall])),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
  service_tier: z.string(),
  store: z.boolean(),
  temperature: z.number(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }) }),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]),
  tools: z.array(z.looseObject({ type: z.string() })),
  top_p: z.number(),
  truncation: z.enum(['auto', 'disabled']),
  usage: z
    .object({
      input_tokens: z.int(),
      input_tokens_details: z.looseObject({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.object({ reasoning_tokens: z.int() }),
      total_tokens: z.int(),
    })
    .nullable(),
});

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function refused(kind, ask) {
  const error = await ask().then(
    () => assert.fail(`expected ${kind.name}`),
    (error) => error,
  );
  assert.ok(error instanceof kind, `expected ${kind.name}, got ${error}`);
  assert.ok(error.requestID && error.code && error.type, String(error));
  return error;
}

async function models() {
  const listed = await all(await client.models.list());
  assert.ok(listed.length > 0);
  for (const entry of listed) assert.equal((await client.models.retrieve(entry.id)).id, entry.id);
  const { response } = await client.models.list().withResponse();
  assert.ok(response.headers.get('x-request-id'));
  // The id has a slash of its own behind the provider's.
  assert.equal((await client.models.retrieve('mock/org/deep')).owned_by, 'mock');
}

async function chat() {
  const ask = (more) => client.chat.completions.create({ model, messages, ...more });
  const whole = Completion.parse(await ask({ max_completion_tokens: 50 }));
  assert.ok(whole.choices[0].message.content && whole.usage.total_tokens > 0);
  assert.equal(Completion.parse(await ask({ n: 2 })).choices.length, 2);
  const chunks = z.array(Chunk).parse(await all(await ask({ stream: true, stream_options: { include_usage: true } })));
  assert.ok(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''));
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
  const tools = [{ type: 'function', function: described }];
  const asked = Completion.parse(await ask({ tools }));
  const call = asked.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, name);
  const answer = { role: 'tool', tool_call_id: call.id, content: 'rain' };
  const told = await ask({ messages: [...messages, asked.choices[0].message, answer], tools });
  assert.ok(Completion.parse(told).choices[0].message.content);
  const streamed = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, '{"city":"Paris"}');
  const format = { response_format: zodResponseFormat(Weather, 'weather') };
  const parsed = await client.chat.completions.parse({ model, messages, ...format });
  assert.deepEqual(parsed.choices[0].message.parsed, { city: 'Paris', celsius: 21 });
}

async function parts() {
  const text = `data:text/csv;base64,${Buffer.from('Paris,21').toString('base64')}`;
  const content = [
    { type: 'text', text: 'What is in it?' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
    { type: 'file', file: { filename: 'weather.csv', file_data: text } },
  ];
  const whole = await client.chat.completions.create({ model, messages: [{ role: 'user', content }], stop: ['END'] });
  assert.ok(Completion.parse(whole).choices[0].message.content.includes('Paris,21'));
  const input = [{ role: 'user', content: [{ type: 'input_file', filename: 'weather.csv', file_data: text }] }];
  assert.ok((await client.responses.create({ model, input })).output_text.includes('Paris,21'));
}

async function embeddings() {
  const made = await client.embeddings.create({ model: 'mock/quick', input: ['one', 'two'] });
  assert.deepEqual(
    made.data.map((entry) => entry.embedding),
    [
      [1, -0.5],
      [1, -0.5],
    ],
  );
}

async function responses() {
  const ask = (more) => client.responses.create({ model, input: 'Hello', ...more });
  const whole = Response.parse(await ask({ instructions: 'Be brief.', metadata: { a: 'b' } }));
  assert.equal(whole.status, 'completed');
  const events = await all(await ask({ stream: true }));
  assert.deepEqual(
    events.map((event) => event.sequence_number),
    events.map((_, index) => index),
  );
  assert.equal(events.at(-1).type, 'response.completed');
  for (const event of events) if (event.response) Response.parse(event.response);
  const streamed = await client.responses.stream({ model, input: 'Hello' }).finalResponse();
  assert.ok(streamed.output_text);
  const again = await client.responses.retrieve(whole.id);
  assert.deepEqual(Response.parse(again).output, whole.output);
  const tools = [{ type: 'function', strict: true, ...described }];
  const asked = Response.parse(await ask({ input: 'What is the weather in Paris?', tools }));
  const call = asked.output[0];
  assert.equal(call.name, name);
  const output = { type: 'function_call_output', call_id: call.call_id, output: 'rain' };
  const told = Response.parse(await ask({ previous_response_id: asked.id, input: [output], tools }));
  assert.equal(told.output[0].type, 'message');
  const items = await all(await client.responses.inputItems.list(told.id, { order: 'asc' }));
  assert.deepEqual(
    items.map((item) => item.type),
    ['message', 'function_call', 'function_call_output'],
  );
  const format = { text: { format: zodTextFormat(Weather, 'weather') } };
  const parsed = await client.responses.parse({ model, input: 'Weather in Paris?', ...format });
  assert.deepEqual(parsed.output_parsed, { city: 'Paris', celsius: 21 });
  const short = await client.responses.compact({ model, previous_response_id: whole.id });
  assert.deepEqual(
    short.output.map((item) => item.type),
    ['compaction'],
  );
  Response.parse(await ask({ input: [...short.output, { role: 'user', content: 'Go on.' }] }));
  await client.responses.delete(told.id);
  await refused(OpenAI.NotFoundError, () => client.responses.retrieve(told.id));
}

async function background() {
  let queued = Response.parse(await client.responses.create({ model, input: 'Hello', background: true }));
  assert.equal(queued.status, 'queued');
  while (['queued', 'in_progress'].includes(queued.status)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    queued = Response.parse(await client.responses.retrieve(queued.id));
  }
  assert.equal(queued.status, 'completed');
  const events = await all(await client.responses.retrieve(queued.id, { stream: true, starting_after: 2 }));
  assert.equal(events[0].sequence_number, 3);
  assert.equal((await client.responses.cancel(queued.id)).status, 'completed');
  const waiting = await client.responses.create({ model: 'mock/slow', input: 'Hello', background: true });
  assert.equal(Response.parse(await client.responses.cancel(waiting.id)).status, 'cancelled');
}

async function refusals() {
  await refused(OpenAI.NotFoundError, () => client.models.retrieve('no/such/model'));
  for (const field of [{ n: 0 }, { logprobs: true }, { logit_bias: { 50256: -100 } }, { temperature: 3 }]) {
    const ask = () => client.chat.completions.create({ model, messages, ...field });
    assert.equal((await refused(OpenAI.BadRequestError, ask)).param, Object.keys(field)[0]);
  }
  const alone = { role: 'tool', tool_call_id: 'c', content: 'x' };
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,?' } };
  for (const [wrong, param] of [
    [[{ role: 'user' }], 'messages[0].content'],
    [[...messages, alone], 'messages[1].role'],
    [[{ role: 'user', content: [image] }], 'messages[0].content[0].image_url.url'],
  ]) {
    const ask = () => client.chat.completions.create({ model, messages: wrong });
    assert.equal((await refused(OpenAI.BadRequestError, ask)).param, param);
  }
  await refused(OpenAI.BadRequestError, () => client.chat.completions.create({ model: '', messages }));
  await refused(OpenAI.NotFoundError, () => client.chat.completions.create({ model: 'nobody/knows', messages }));
  const headers = { 'Idempotency-Key': crypto.randomUUID() };
  await client.chat.completions.create({ model, messages }, { headers });
  const again = { model, messages: [{ role: 'user', content: 'Another question.' }] };
  await refused(OpenAI.ConflictError, () => client.chat.completions.create(again, { headers }));
  // What asking again does not mend is not asked again, although the status is one that the SDK would repeat.
  const patient = client.withOptions({ maxRetries: 5 });
  const began = performance.now();
  const denied = () => patient.chat.completions.create({ model: 'mock/denied', messages });
  assert.equal((await refused(OpenAI.InternalServerError, denied)).headers.get('x-should-retry'), 'false');
  assert.ok(performance.now() - began < 400, 'it was asked again');
  const stranger = client.withOptions({ apiKey: 'oc_gw_wrong' });
  await refused(OpenAI.AuthenticationError, () => stranger.models.list());
  const busy = () => client.chat.completions.create({ model: 'mock/busy', messages });
  assert.ok(Number((await refused(OpenAI.RateLimitError, busy)).headers.get('retry-after')) >= 1);
  const slow = client.chat.completions.create({ model: 'mock/slow', messages }, { timeout: 300 });
  await assert.rejects(slow, OpenAI.APIConnectionTimeoutError);
}

async function broken() {
  const ask = () => client.chat.completions.create({ model: 'mock/broken', messages, stream: true });
  await assert.rejects(async () => all(await ask()), OpenAI.APIError);
  const events = await all(await client.responses.create({ model: 'mock/broken', input: 'Hello', stream: true }));
  assert.equal(events.at(-1).type, 'response.failed');
  assert.equal(Response.parse(events.at(-1).response).error.code, 'server_error');
}

for (const part of [models, chat, parts, embeddings, responses, background, refusals, broken]) {
  await part();
  console.log(`${part.name}: ok`);
}
