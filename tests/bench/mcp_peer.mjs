// The peer of bench_mcp: a server of the official TypeScript SDK that answers one tool with a fixed result.
//   node mcp_peer.mjs stdio|http RESULT_FILE TOOL
// http: one session, JSON answers, on a free port of loopback, which is printed. To be run where the SDK is installed.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';

const [transportName, file, tool] = process.argv.slice(2);
const result = JSON.parse(readFileSync(file, 'utf8'));
const server = new McpServer({ name: 'peer', version: '1.0.0' });
server.registerTool(tool, { description: 'Answers what it was told to' }, async () => result);

if (transportName === 'stdio') {
  await server.connect(new StdioServerTransport());
} else {
  const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), enableJsonResponse: true });
  await server.connect(transport);
  const http = createServer((request, response) => transport.handleRequest(request, response));
  http.listen(0, '127.0.0.1', () => console.log(http.address().port));
}
