// Everything the product offers, through the Inspector's command line, over both transports and in both eras:
//   inspector.mjs CLI URL PROGRAM ARGUMENTS...      CLI: the Inspector's module; URL and PROGRAM: the same log twice
// One process for all of it: each start of node costs more than ten calls. Exit 0: as it should be. 1: says what not.
import { pathToFileURL } from 'node:url';

const [cli, url, ...program] = process.argv.slice(2);
const { runCli, handleError } = await import(pathToFileURL(cli));
const ARGUMENTS = {
  audit_describe: {}, audit_query: { limit: 5 }, audit_get_event: { seq: [1] }, audit_history: { entity: 'user:u-1' },
  audit_find_entity: { text: 'u-1' }, audit_aggregate: { group_by: ['actor'] }, audit_coverage: {}, audit_sample: { n: 1 },
  audit_verify: {}, audit_prove: { kind: 'inclusion', seq: [0] },
};
const GIVEN = { actor: 'user:u-1', entity: 'user:u-1', target: 'resource:r-1', period: '2026-06', window: '2026-06', control: 'who did what' };
const BELOW_TEMPLATES = ['audit://checkpoint/1', 'audit://event/1', 'audit://event/1/raw', 'audit://entity/user/u-1', 'audit://proof/1',
  'audit://proof/range/0/2'];
const write = process.stdout.write.bind(process.stdout);
const say = (text) => write(text + '\n');
let failures = 0, asked = 0;

class Exit extends Error {
  constructor(code) { super(`exit ${code}`); this.code = code; }
}

// What the command line would have printed, and its exit code.
async function run(words) {
  const out = [];
  const keep = (text, encoding, done) => { out.push(String(text)); (typeof encoding === 'function' ? encoding : done)?.(); return true; };
  const { exit } = process, log = console.log, error = console.error;
  process.stdout.write = keep;
  process.stderr.write = keep;
  process.exit = (code) => { throw new Exit(code ?? 0); };
  let code = 0;
  try {
    await runCli(['node', 'mcp-inspector', ...words]).catch(handleError);
  } catch (thrown) {
    if (!(thrown instanceof Exit)) throw thrown;
    code = thrown.code;
  } finally {
    process.exit = exit;
    process.stdout.write = write;
    delete process.stderr.write;
    Object.assign(console, { log, error });
  }
  return { code, text: out.join('') };
}

async function ask(target, era, want, ...words) {
  ++asked;
  const { code, text } = await run([...target, '--protocol-era', era, '--format', 'json', ...words]);
  if (code !== want) {
    ++failures;
    say(`inspector ${era} ${words.join(' ')} at ${target[0]}: exit ${code}, not ${want}: ${text.slice(0, 600)}`);
  }
  try { return JSON.parse(text); } catch { return {}; }
}

function same(what, found, wanted) {
  if ([...found].sort().join() === [...wanted].sort().join()) return;
  ++failures;
  say(`${what}: ${[...found].join(' ')}, and not ${[...wanted].join(' ')}`);
}

// The list is within what was printed, whatever stands around it.
const listed = (answer, member) => answer[member] ?? answer.result?.[member] ?? [];

for (const target of [program, [url, '--transport', 'http']]) {
  for (const era of ['legacy', 'modern']) {
    const tools = listed(await ask(target, era, 0, '--method', 'tools/list', '--strict'), 'tools').map((tool) => tool.name);
    same('tools', tools, Object.keys(ARGUMENTS));
    for (const name of tools) {
      await ask(target, era, 0, '--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(ARGUMENTS[name]));
    }
    await ask(target, era, 5, '--method', 'tools/call', '--tool-name', 'audit_query', '--tool-args-json', '{"nonsense":true}');
    await ask(target, era, 5, '--method', 'tools/call', '--tool-name', 'no_such_tool');
    const resources = listed(await ask(target, era, 0, '--method', 'resources/list'), 'resources').map((one) => one.uri);
    if (resources.length < 5) { ++failures; say(`only ${resources.length} resources`); }
    await ask(target, era, 0, '--method', 'resources/templates/list');
    for (const uri of [...resources, ...BELOW_TEMPLATES]) await ask(target, era, 0, '--method', 'resources/read', '--uri', uri);
    const prompts = listed(await ask(target, era, 0, '--method', 'prompts/list'), 'prompts');
    if (prompts.length !== 7) { ++failures; say(`${prompts.length} prompts, and not 7`); }
    for (const prompt of prompts) {
      const words = (prompt.arguments ?? []).filter((one) => one.required).map((one) => `${one.name}=${GIVEN[one.name]}`);
      await ask(target, era, 0, '--method', 'prompts/get', '--prompt-name', prompt.name, ...(words.length ? ['--prompt-args', ...words] : []));
    }
  }
}
say(`${asked} commands, ${failures} failed`);
process.exit(failures ? 1 : 0);
