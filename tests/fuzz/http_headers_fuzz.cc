// Header values of strangers: what is parsed out of them, and that an event's text cannot end it early.
#include "mcp/server/routing_headers.h"
#include "mcp/transport/http_rules.h"
#include "mcp/transport/sse.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::mcp;

// Lines of "name: value"; each value is tried as every kind of header.
KHIPU_FUZZ(bytes) {
  std::string_view text = as_text(bytes);
  transport::Headers headers;
  transport::HostRules rules;
  rules.hosts = {"localhost"};
  rules.takes_local_origins = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view value = line.substr(std::min(colon + 1, line.size()));
    headers.emplace_back(line.substr(0, colon), value);
    transport::parse_accept(value);
    transport::is_json_type(value);
    if (transport::allows_host(rules, value)) KHIPU_ASSERT(!transport::has_control(value));
    if (transport::allows_origin(rules, value)) KHIPU_ASSERT(value.find("//") != std::string_view::npos);
    server::decode_header_value(std::string(value));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto head = transport::collect_head(headers);
  if (const auto* taken = std::get_if<jsonrpc::Head>(&head); taken != nullptr && taken->session) {
    KHIPU_ASSERT(!transport::has_control(*taken->session));
  }

  // One event ends with one empty line, and has no other.
  const std::string event = transport::sse_event(as_text(bytes));
  KHIPU_ASSERT(event.ends_with("\n\n"));
  KHIPU_ASSERT(event.find("\n\n") == event.size() - 2);
  KHIPU_ASSERT(event.find('\r') == std::string::npos);
}
