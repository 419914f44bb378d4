// What a prompt is to the server: its definition, and messages made from arguments. Not here: any prompt.
#pragma once

#include "engine/base/result.h"
#include "mcp/protocol/prompts.h"
#include "mcp/server/completion.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::server {

using protocol::PromptArgument;
using protocol::PromptArguments;
using protocol::PromptInfo;
using protocol::PromptMessage;
using protocol::PromptResult;
using protocol::Role;

class Prompt {
 public:
  virtual ~Prompt() = default;
  virtual const PromptInfo& info() const = 0;
  // Several threads call at once. Required arguments are there, unknown ones were refused. An Error's message is sent
  // to the client: kInvalid as -32602, everything else as -32603.
  virtual Result<PromptResult> get(const PromptArguments& arguments, CallContext& context) = 0;

  // Whether any argument can be completed; the server declares the capability if one prompt or the resources can.
  virtual bool completes() const { return false; }
  virtual Result<Completion> complete(const CompleteRequest& request, CallContext& context);
};

}  // namespace khipu::mcp::server
