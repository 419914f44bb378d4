#include "mcp/jsonrpc/print.h"

#include <charconv>

#include "engine/base/utf8.h"
#include "mcp/jsonrpc/scanner.h"

namespace khipu::mcp::jsonrpc {
namespace {

constexpr size_t kSmallAnswerSizeBytes = 512;

// `replace`: dump() throws on invalid UTF-8 otherwise. Without an indent it never writes a raw line end.
std::string dump(const OrderedJson& json) { return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

void append_escape(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto letter = [&](char name) { out += {'\\', name}; };
  switch (c) {
    case '"':
    case '\\': return letter(c);
    case '\b': return letter('b');
    case '\f': return letter('f');
    case '\n': return letter('n');
    case '\r': return letter('r');
    case '\t': return letter('t');
    default: out += {'\\', 'u', '0', '0', kDigits[static_cast<size_t>(c >> 4)], kDigits[static_cast<size_t>(c & 0xF)]};
  }
}

template <typename Number>
void append_number(std::string& out, Number number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

}  // namespace

// These two: the bytes of dump(), which decodes every string byte by byte.
void append_text(std::string& out, std::string_view text) {
  if (!valid_utf8(as_bytes(text))) {
    out += dump(OrderedJson(text));
    return;
  }
  out += '"';
  size_t run = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!kEndsRun[static_cast<unsigned char>(text[at])]) continue;
    out += text.substr(run, at - run);
    append_escape(out, text[at]);
    run = at + 1;
  }
  out += text.substr(run);
  out += '"';
}

void append_json(std::string& out, const OrderedJson& json) {
  char separator = 0;
  const auto separate = [&] {
    if (separator != 0) out += separator;
    separator = ',';
  };
  switch (json.type()) {
    case OrderedJson::value_t::object:
      out += '{';
      for (const auto& [key, value] : json.get_ref<const OrderedJson::object_t&>()) {
        separate();
        append_text(out, key);
        out += ':';
        append_json(out, value);
      }
      out += '}';
      break;
    case OrderedJson::value_t::array:
      out += '[';
      for (const OrderedJson& value : json) {
        separate();
        append_json(out, value);
      }
      out += ']';
      break;
    case OrderedJson::value_t::string: append_text(out, json.get_ref<const std::string&>()); break;
    case OrderedJson::value_t::boolean: out += json.get<bool>() ? "true" : "false"; break;
    case OrderedJson::value_t::number_integer: append_number(out, json.get<int64_t>()); break;
    case OrderedJson::value_t::number_unsigned: append_number(out, json.get<uint64_t>()); break;
    default: out += dump(json); break;
  }
}

std::string print(const OrderedJson& json) {
  std::string text;
  append_json(text, json);
  return text;
}

std::string open_result(const Id& id) {
  // Put together as text: a message as a value costs a small answer more than all else that is printed.
  std::string line;
  line.reserve(kSmallAnswerSizeBytes);
  line += R"({"jsonrpc":"2.0","id":)";
  append_json(line, id.to_json());
  line += R"(,"result":)";
  return line;
}

std::string print_result(const Id& id, const OrderedJson& result) {
  std::string line = open_result(id);
  append_json(line, result);
  line += '}';
  return line;
}

std::string print_error(const std::optional<Id>& id, ErrorCode code, std::string_view text, OrderedJson data) {
  OrderedJson message = {{"jsonrpc", "2.0"}};
  if (id) message["id"] = id->to_json();
  message["error"] = {{"code", static_cast<int>(code)}, {"message", text}};
  if (!data.is_null()) message["error"]["data"] = std::move(data);
  return print(message);
}

std::string print_request(const Id& id, std::string_view method, OrderedJson params) {
  OrderedJson message = {{"jsonrpc", "2.0"}, {"id", id.to_json()}, {"method", method}};
  message["params"] = std::move(params);
  return print(message);
}

std::string print_notification(std::string_view method, OrderedJson params) {
  OrderedJson message = {{"jsonrpc", "2.0"}, {"method", method}};
  message["params"] = std::move(params);
  return print(message);
}

}  // namespace khipu::mcp::jsonrpc
