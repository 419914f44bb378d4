// `prompts/list`, `prompts/get` and `completion/complete` as values, and their JSON in each revision.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/protocol/content.h"
#include "mcp/protocol/input.h"

namespace khipu::mcp::protocol {

struct PromptArgument {
  std::string name;
  std::string title;  // empty: absent
  std::string description;
  bool required = false;
};
struct PromptInfo {
  std::string name;   // [A-Za-z0-9_.-]{1,64}
  std::string title;  // empty: absent
  std::string description;
  std::vector<PromptArgument> arguments;
};
OrderedJson prompt_json(const PromptInfo& prompt, Revision revision);

enum class Role { kUser, kAssistant };
struct PromptMessage {
  Role role = Role::kUser;
  Content content;
};
struct PromptResult {
  std::string description;  // empty: absent
  std::vector<PromptMessage> messages;
  OrderedJson meta = nullptr;                   // null: none
  std::optional<InputRequired> input_required;  // instead of the messages
};
OrderedJson prompt_result_json(const PromptResult& result, Revision revision);

using PromptArguments = std::map<std::string, std::string>;
struct GetPromptRequest {
  std::string name;
  PromptArguments arguments;
};
Result<GetPromptRequest> parse_get_prompt(const Json& params);

inline constexpr size_t kCompletionValuesMax = 100;
struct Completion {
  std::vector<std::string> values;  // what is over kCompletionValuesMax is cut, and told
  std::optional<int64_t> total;
  OrderedJson meta = nullptr;  // null: none
};
OrderedJson completion_json(const Completion& completion);

// Completes one argument of a prompt, or one variable of a resource template.
struct CompleteRequest {
  bool is_prompt = false;
  std::string ref;  // the prompt's name, or the template's (or a resource's) URI
  std::string argument;
  std::string value;        // what was typed so far: hostile, as are the next
  PromptArguments context;  // arguments that are already settled (2025-06-18 and later)
};
Result<CompleteRequest> parse_complete(const Json& params);

}  // namespace khipu::mcp::protocol
