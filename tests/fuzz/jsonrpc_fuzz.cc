// Messages from outside: whatever is taken prints as one line, and reads back as the same message.
#include "mcp/jsonrpc/parse.h"
#include "mcp/jsonrpc/print.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::mcp;

namespace {

// What is taken as a value is that value to the library too, and what is none to the library is not taken.
void compare_with_library(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return;  // the end of the input, to the library
  const std::optional<Json> value = jsonrpc::parse_value(text);
  const Json theirs = Json::parse(text, nullptr, false);
  KHIPU_ASSERT(!value || (!theirs.is_discarded() && value->dump() == theirs.dump()));
}

}  // namespace

KHIPU_FUZZ(input) {
  compare_with_library(as_text(input));
  const jsonrpc::Incoming incoming = jsonrpc::parse(as_text(input));
  const auto* message = std::get_if<jsonrpc::Message>(&incoming);
  if (message == nullptr) return;
  if (const auto* request = std::get_if<jsonrpc::Request>(message)) {
    KHIPU_ASSERT(request->params.is_object());
    const OrderedJson again = {{"jsonrpc", "2.0"},
                               {"id", request->id.to_json()},
                               {"method", request->method},
                               {"params", OrderedJson(request->params)}};
    const std::string line = jsonrpc::print(again);
    KHIPU_ASSERT(line.find('\n') == std::string::npos);
    const jsonrpc::Incoming reread = jsonrpc::parse(line);
    const auto& second = std::get<jsonrpc::Request>(std::get<jsonrpc::Message>(reread));
    KHIPU_ASSERT(second.id == request->id && second.method == request->method && second.params == request->params);
  } else if (const auto* invalid = std::get_if<jsonrpc::Invalid>(message)) {
    KHIPU_ASSERT(jsonrpc::print_error(invalid->id, invalid->code, invalid->message).find('\n') == std::string::npos);
  }
}
