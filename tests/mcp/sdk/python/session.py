"""A full session of the official Python SDK's client: session.py PRODUCT FIXTURE ARGUMENTS_FILE. A target is an address,
or a program with its arguments, parted by spaces. Once in each era; prints "ok ..." for each session."""
import json
import re
import sys

import anyio
import mcp
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import PromptReference

product, fixture, arguments_file = sys.argv[1:]
known = json.load(open(arguments_file, encoding="utf-8"))
is_http = product.startswith("http")


def connect(target, mode):
    words = target.split(" ")
    server = target if is_http else stdio_client(StdioServerParameters(command=words[0], args=words[1:]))
    return Client(server, mode=mode, read_timeout_seconds=20)


def plain(name):
    value = known[name]  # a KeyError names what arguments.json lacks
    return str(value[0] if isinstance(value, list) else value)


async def walk(client):
    """What an auditor's host does: every list, every tool, every resource, every template, every prompt."""
    tools = (await client.list_tools()).tools
    for tool in tools:
        arguments = {name: known[name] for name in tool.input_schema.get("required", [])}
        if "entity" in tool.input_schema["properties"]:  # wanted on a first page alone, which `required` cannot say
            arguments["entity"] = known["entity"]
        result = await client.call_tool(tool.name, arguments)
        assert not result.is_error, (tool.name, result.content)
        assert result.content[0].text
        assert not tool.output_schema or result.structured_content, tool.name
        wrong = await client.call_tool(tool.name, arguments | {"nonsense": 1})
        assert wrong.is_error, tool.name
    uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
    for template in (await client.list_resource_templates()).resource_templates:
        required = re.sub(r"\{\?[\w,]*\}", "", template.uri_template)  # queries are optional
        uris.append(re.sub(r"\{(\w+)\}", lambda match: plain(match[1]), required))
    for uri in uris:
        contents = (await client.read_resource(uri)).contents
        assert contents and (getattr(contents[0], "text", None) or contents[0].blob), uri
    try:
        await client.read_resource("audit://nowhere")
        raise SystemExit("audit://nowhere was read")
    except mcp.MCPError:
        pass
    prompts = (await client.list_prompts()).prompts
    for prompt in prompts:
        wanted = [argument.name for argument in prompt.arguments or [] if argument.required]
        got = await client.get_prompt(prompt.name, {name: plain(name) for name in wanted})
        assert got.messages[0].content.text
        for name in wanted:
            completed = await client.complete(PromptReference(type="ref/prompt", name=prompt.name), {"name": name, "value": "u"})
            assert name != "actor" or completed.completion.values, "no completion of an actor"
    assert tools and uris and prompts
    return f"{len(tools)} tools, {len(uris)} resources, {len(prompts)} prompts"


async def interrupt(client):
    """A call that tells of its progress, and one that is given up: the server must notice."""
    told = []

    async def tell(progress, total, message):
        told.append(progress)

    await client.call_tool("test_tool_with_progress", progress_callback=tell)
    assert told == [0, 50, 100], told

    async def cancelled():
        return int((await client.call_tool("test_cancelled_count")).content[0].text)

    before = await cancelled()
    with anyio.move_on_after(10) as scope:
        async def enough(progress, total, message):
            scope.cancel()

        await client.call_tool("test_wait_for_cancel", progress_callback=enough)
    assert scope.cancelled_caught
    with anyio.fail_after(5):
        while await cancelled() == before:
            await anyio.sleep(0.02)


async def main():
    for mode in ("legacy", "2026-07-28"):
        async with connect(product, mode) as client:
            walked = await walk(client)
            spoken = client.protocol_version
            assert (spoken == "2026-07-28") == (mode == "2026-07-28"), spoken
        async with connect(fixture, mode) as client:
            await interrupt(client)
        print(f"ok python {'http' if is_http else 'stdio'} {spoken}: {walked}, progress, cancel")


anyio.run(main)
