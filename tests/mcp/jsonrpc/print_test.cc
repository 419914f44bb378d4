#include "mcp/jsonrpc/print.h"

#include <limits>

#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::jsonrpc;

TEST_CASE("jsonrpc: a response names the version, the id and either a result or an error") {
  CHECK(print_result(Id(int64_t{0}), OrderedJson::object()) == R"({"jsonrpc":"2.0","id":0,"result":{}})");
  CHECK(print_error(Id(std::string("0")), ErrorCode::kMethodNotFound, "unknown") ==
        R"({"jsonrpc":"2.0","id":"0","error":{"code":-32601,"message":"unknown"}})");
  CHECK(print_notification("notifications/progress", {{"progress", 1}}) ==
        R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})");
}

// DeusData/codebase-memory-mcp#1582: Claude Desktop rejects `"id": null`.
TEST_CASE("jsonrpc: an absent id is omitted") {
  CHECK(print_error(std::nullopt, ErrorCode::kParseError, "x") ==
        R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}})");
}

TEST_CASE("jsonrpc: a message is one line of valid UTF-8, whatever it is made of") {
  const std::string line = print({{"a", "x\ny\r\xff\xc3\xa9"}, {"b", 1}});
  CHECK(line == "{\"a\":\"x\\ny\\r\xEF\xBF\xBD\xC3\xA9\",\"b\":1}");
}

TEST_CASE("jsonrpc: members leave in the order they were put") {
  CHECK(print({{"z", 1}, {"a", 2}}) == R"({"z":1,"a":2})");
}

// Written by hand for speed: it may differ from the library in nothing.
TEST_CASE("print: the bytes are those of the library's own dump") {
  const auto check = [](const OrderedJson& json) {
    CHECK(print(json) == json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  };
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = "a" + std::string(1, static_cast<char>(byte)) + "z";
    check(text);
    check({{text, byte}});
  }
  check(
      "\xE2\x9F\xA6"
      "7f3a quoted \" and \\ \xF0\x9F\x98\x80 \xC3");
  check(nullptr);
  check(true);
  check(false);
  check(0);
  check(-1);
  check(std::numeric_limits<int64_t>::min());
  check(std::numeric_limits<int64_t>::max());
  check(std::numeric_limits<uint64_t>::max());
  check(0.1);
  check(1e300);
  check(-0.0);
  check(2.0);
  check(std::numeric_limits<double>::infinity());
  check(OrderedJson::object());
  check(OrderedJson::array());
  check({{"z", {1, "two", nullptr, OrderedJson::array({OrderedJson::object()})}},
         {"a", {{"", ""}, {"b", {true, -3.5}}}}});
}
