// A full session of the official TypeScript SDK's client: session.mjs PRODUCT FIXTURE ARGUMENTS_FILE. A target is an
// address, or a program with its arguments, parted by spaces. Once in each era; prints "ok ..." for each session.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [product, fixture, argumentsFile] = process.argv.slice(2);
const known = JSON.parse(readFileSync(argumentsFile, 'utf8'));
const isHttp = product.startsWith('http');

async function connect(target, mode) {
  const client = new Client({ name: 'sdk-session', version: '1' }, { versionNegotiation: { mode } });
  const words = target.split(' ');
  await client.connect(isHttp ? new StreamableHTTPClientTransport(new URL(target))
    : new StdioClientTransport({ command: words[0], args: words.slice(1), stderr: 'inherit' }));
  return client;
}
function value(name, what) {
  assert(name in known, `${what} needs ${name}, which ${argumentsFile} does not have`);
  return known[name];
}

// What an auditor's host does: every list, every tool, every resource, every template, every prompt.
async function walk(client) {
  const count = { tools: 0, resources: 0, prompts: 0 };
  for (const tool of (await client.listTools()).tools) {
    // A history wants an entity on its first page alone, which `required` cannot say.
    const wanted = [...(tool.inputSchema.required ?? []), ...('entity' in tool.inputSchema.properties ? ['entity'] : [])];
    const args = Object.fromEntries(wanted.map((name) => [name, value(name, tool.name)]));
    const result = await client.callTool({ name: tool.name, arguments: args });
    assert(!result.isError, `${tool.name}: ${JSON.stringify(result.content)}`);
    assert(result.content[0].text.length > 0);
    assert(!tool.outputSchema || result.structuredContent, `${tool.name} has no structured content`);
    const wrong = await client.callTool({ name: tool.name, arguments: { ...args, nonsense: 1 } });
    assert(wrong.isError, `${tool.name} took nonsense`);
    count.tools += 1;
  }
  const read = async (uri) => {
    const { contents } = await client.readResource({ uri });
    assert(contents.length > 0 && (contents[0].text ?? contents[0].blob).length > 0, uri);
    count.resources += 1;
  };
  for (const resource of (await client.listResources()).resources) await read(resource.uri);
  for (const { uriTemplate } of (await client.listResourceTemplates()).resourceTemplates) {
    await read(uriTemplate.replace(/\{\?[\w,]*\}/g, '').replace(/\{(\w+)\}/g, (_, name) => value(name, uriTemplate)));
  }
  await assert.rejects(client.readResource({ uri: 'audit://nowhere' }));
  for (const prompt of (await client.listPrompts()).prompts) {
    const wanted = (prompt.arguments ?? []).filter((argument) => argument.required).map(({ name }) => name);
    const args = Object.fromEntries(wanted.map((name) => [name, value(name, prompt.name)]));
    const { messages } = await client.getPrompt({ name: prompt.name, arguments: args });
    assert(messages[0].content.text.length > 0);
    for (const name of wanted) {
      const ref = { type: 'ref/prompt', name: prompt.name };
      const { completion } = await client.complete({ ref, argument: { name, value: 'u' } });
      assert(Array.isArray(completion.values));
      if (name === 'actor') assert(completion.values.length > 0, 'no completion of an actor');
    }
    count.prompts += 1;
  }
  assert(count.tools > 0 && count.resources > 0 && count.prompts > 0);
  return count;
}

// A call that tells of its progress, and one that is given up: the server must notice.
async function interrupt(client) {
  const told = [];
  await client.callTool({ name: 'test_tool_with_progress' }, { onprogress: (progress) => told.push(progress.progress) });
  assert.deepEqual(told, [0, 50, 100]);
  const cancelled = async () => Number((await client.callTool({ name: 'test_cancelled_count' })).content[0].text);
  const before = await cancelled();
  const abort = new AbortController();
  const call = client.callTool({ name: 'test_wait_for_cancel' }, { signal: abort.signal, onprogress: () => abort.abort('enough') });
  await assert.rejects(call);
  for (let i = 0; (await cancelled()) === before; ++i) {
    assert(i < 100, 'the server goes on with a call that was cancelled');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const [mode, era] of [['legacy', 'legacy'], [{ pin: '2026-07-28' }, 'modern']]) {
  let client = await connect(product, mode);
  assert.equal(client.getProtocolEra(), era);
  const count = await walk(client);
  await client.close();
  client = await connect(fixture, mode);
  await interrupt(client);
  await client.close();
  console.log(`ok typescript ${isHttp ? 'http' : 'stdio'} ${era}: ${JSON.stringify(count)}, progress, cancel`);
}
process.exit(0);
