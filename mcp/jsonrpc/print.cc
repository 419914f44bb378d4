#include "mcp/jsonrpc/print.h"

#include <algorithm>
#include <charconv>

namespace khipu::mcp::jsonrpc {
namespace {

// `replace`: dump() throws on invalid UTF-8 otherwise. Without an indent it never writes a raw line end.
std::string dump(const OrderedJson& json) { return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

template <typename Number>
void append_number(std::string& out, Number number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

// The bytes of dump(), which decodes every string byte by byte; most are plain.
void append(std::string& out, const OrderedJson& json) {
  const auto append_text = [&](const std::string& text, const OrderedJson* value) {
    if (!is_plain(text)) {
      out += dump(value != nullptr ? *value : OrderedJson(text));
      return;
    }
    out += '"';
    out += text;
    out += '"';
  };
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
        append_text(key, nullptr);
        out += ':';
        append(out, value);
      }
      out += '}';
      break;
    case OrderedJson::value_t::array:
      out += '[';
      for (const OrderedJson& value : json) {
        separate();
        append(out, value);
      }
      out += ']';
      break;
    case OrderedJson::value_t::string: append_text(json.get_ref<const std::string&>(), &json); break;
    case OrderedJson::value_t::boolean: out += json.get<bool>() ? "true" : "false"; break;
    case OrderedJson::value_t::number_integer: append_number(out, json.get<int64_t>()); break;
    case OrderedJson::value_t::number_unsigned: append_number(out, json.get<uint64_t>()); break;
    default: out += dump(json); break;
  }
}

}  // namespace

std::string print(const OrderedJson& json) {
  std::string text;
  append(text, json);
  return text;
}

std::string print_result(const Id& id, const OrderedJson& result) {
  // Put together as text: a message as a value costs a small answer more than all else that is printed.
  std::string line = R"({"jsonrpc":"2.0","id":)";
  append(line, id.to_json());
  line += R"(,"result":)";
  append(line, result);
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
