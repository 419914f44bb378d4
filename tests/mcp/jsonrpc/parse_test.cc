#include "mcp/jsonrpc/parse.h"

#include "mcp/jsonrpc/print.h"
#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::jsonrpc;

namespace {

Message one(std::string_view text, const Limits& limits = {}) { return std::get<Message>(parse(text, limits)); }
Request request(std::string_view text) { return std::get<Request>(one(text)); }
Invalid invalid(std::string_view text, const Limits& limits = {}) { return std::get<Invalid>(one(text, limits)); }

std::string with_id(const std::string& id) { return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"ping"})"; }

}  // namespace

TEST_CASE("jsonrpc: an id keeps its type and value") {
  for (const std::string id : {"0", "\"0\"", "-1", "9007199254740992", "9223372036854775807", "-9223372036854775808",
                               "9223372036854775808", "18446744073709551615", "\"\"", "\"a-\\u00e9\""}) {
    INFO(id);
    const Request parsed = request(with_id(id));
    CHECK(parsed.id.to_json() == OrderedJson::parse(id));
    CHECK(parsed.id.to_json().type_name() == OrderedJson::parse(id).type_name());
  }
  CHECK(request(with_id("0")).id != request(with_id("\"0\"")).id);
}

TEST_CASE("jsonrpc: null, fractions, booleans and structures are no ids, and such a request has none to answer to") {
  for (const char* id : {"null", "1.5", "1.0", "true", "[1]", "{}", "18446744073709551616"}) {
    INFO(id);
    const Invalid refused = invalid(with_id(id));
    CHECK_FALSE(refused.id.has_value());
    CHECK(refused.code == ErrorCode::kInvalidRequest);
  }
}

TEST_CASE("jsonrpc: absent and null params are an empty object, unknown members are ignored") {
  CHECK(request(R"({"jsonrpc":"2.0","id":1,"method":"a"})").params == Json::object());
  CHECK(request(R"({"jsonrpc":"2.0","id":1,"method":"a","params":null})").params == Json::object());
  CHECK(request(R"({"x":[],"jsonrpc":"2.0","id":1,"method":"a","params":{"b":2}})").params == Json({{"b", 2}}));
}

TEST_CASE("jsonrpc: a message without an id is a notification, one without a method a response") {
  CHECK(std::get<Notification>(one(R"({"jsonrpc":"2.0","method":"n","params":{"a":1}})")).params == Json({{"a", 1}}));
  CHECK(std::holds_alternative<Response>(one(R"({"jsonrpc":"2.0","id":1,"result":{}})")));
  CHECK(std::holds_alternative<Response>(one(R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}})")));
}

TEST_CASE("jsonrpc: what is no message is refused with the id, if one can be read") {
  const Id seven(int64_t{7});
  for (const char* text : {R"({"id":7,"method":"a"})", R"({"jsonrpc":"1.0","id":7,"method":"a"})",
                           R"({"jsonrpc":"2.0","id":7})", R"({"jsonrpc":"2.0","id":7,"method":3})"}) {
    INFO(text);
    CHECK(invalid(text).id == seven);
    CHECK(invalid(text).code == ErrorCode::kInvalidRequest);
  }
  CHECK(invalid(R"({"jsonrpc":"2.0","id":7,"method":"a","params":[1]})").code == ErrorCode::kInvalidParams);
  CHECK(invalid(R"({"jsonrpc":"2.0","id":7,"method":"a","params":"x"})").id == seven);
  for (const char* text : {"1", "\"text\"", "null", "true"}) CHECK_FALSE(invalid(text).id.has_value());
}

TEST_CASE("jsonrpc: text that is not one JSON value in UTF-8 is a parse error without an id") {
  const std::string bad_utf8 = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}";
  const std::string overlong = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc0\xaf\"}";
  const std::string nul = std::string("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}") + '\0';
  for (const std::string& text :
       {bad_utf8, overlong, nul, std::string(), std::string("{"), std::string("{} {}"), std::string("{'a':1}"),
        std::string(R"({"jsonrpc":"2.0","id":1,"method":"\ud800"})"), std::string("[1,]"), std::string("1e999"),
        std::string("not json"), std::string("NaN")}) {
    INFO(text);
    CHECK(invalid(text).code == ErrorCode::kParseError);
    CHECK_FALSE(invalid(text).id.has_value());
  }
}

TEST_CASE("jsonrpc: every truncation of a request is a parse error") {
  const std::string whole =
      R"({"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"a","arguments":{"x":[1,"é"]}}})";
  for (size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    CHECK(invalid(std::string_view(whole).substr(0, size)).code == ErrorCode::kParseError);
  }
  CHECK(request(whole).method == "tools/call");
}

TEST_CASE("jsonrpc: a repeated member name is refused wherever it stands, and the asker is told") {
  for (const char* text : {R"({"jsonrpc":"2.0","id":7,"method":"a","method":"b"})",
                           R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"x":{"y":1,"y":2}}})",
                           R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"x":1,"x":{"z":[1,{"q":2}]}}})"}) {
    INFO(text);
    const Invalid refused = invalid(text);
    CHECK(refused.code == ErrorCode::kInvalidRequest);
    CHECK(refused.id == Id(int64_t{7}));
    CHECK_THAT(refused.message, ContainsSubstring("twice"));
  }
  // The first of two ids is the one that is read: a second one cannot redirect the answer.
  CHECK(invalid(R"({"jsonrpc":"2.0","id":7,"id":8,"method":"a"})").id == Id(int64_t{7}));
}

// The id of an answer is one of ours, which the asker may be using for a request of its own.
TEST_CASE("jsonrpc: an answer that is refused is no request: its id is not answered") {
  for (const char* text : {R"({"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}})",
                           R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"code":2,"message":""}})",
                           R"({"jsonrpc":"1.0","id":1,"result":{}})"}) {
    INFO(text);
    CHECK_FALSE(invalid(text).id.has_value());
  }
  CHECK(invalid(R"({"jsonrpc":"2.0","id":1})").id == Id(int64_t{1}));
}

TEST_CASE("jsonrpc: depth is bounded, at the bound and beyond it, also for a million brackets") {
  const auto nested = [](size_t depth) {
    return R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"x":)" + std::string(depth, '[') +
           std::string(depth, ']') + "}}";
  };
  CHECK(request(nested(62)).params.contains("x"));
  const Invalid refused = invalid(nested(63));
  CHECK(refused.id == Id(int64_t{7}));
  CHECK_THAT(refused.message, ContainsSubstring("deep"));
  CHECK(invalid(nested(1'000'000)).id == Id(int64_t{7}));
  CHECK(invalid(std::string(1'000'000, '[')).code == ErrorCode::kParseError);
}

// Four megabytes of them would be a hundred in memory.
TEST_CASE("jsonrpc: the number of values is bounded, whatever they are") {
  const auto with = [](const std::string& element, size_t count) {
    std::string text = R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"x":[)";
    for (size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + element;
    return text + "]}}";
  };
  for (const char* element : {"0", "[]", "{}", "\"\"", "null"}) {
    INFO(element);
    CHECK(request(with(element, 99'990)).params["x"].size() == 99'990);
    const Invalid refused = invalid(with(element, 800'000));
    CHECK(refused.id == Id(int64_t{7}));
    CHECK_THAT(refused.message, ContainsSubstring("values"));
  }
  std::string members = R"({"jsonrpc":"2.0","id":7,"method":"a","params":{"x":{)";
  for (int i = 0; i < 200'000; ++i) members += "\"" + std::to_string(i) + "\":0,";
  CHECK(invalid(members + "\"y\":0}}}").id == Id(int64_t{7}));
}

TEST_CASE("jsonrpc: size is bounded") {
  const std::string text = with_id("1");
  Limits limits;
  limits.size_bytes_max = text.size();
  CHECK(std::holds_alternative<Request>(one(text, limits)));
  limits.size_bytes_max = text.size() - 1;
  CHECK_FALSE(invalid(text, limits).id.has_value());
}

TEST_CASE("jsonrpc: an array is a batch of messages, each judged for itself") {
  const auto batch = std::get<Batch>(parse("[" + with_id("1") + R"(,{"jsonrpc":"2.0","method":"n"},3])"));
  REQUIRE(batch.messages.size() == 3);
  CHECK(std::holds_alternative<Request>(batch.messages[0]));
  CHECK(std::holds_alternative<Notification>(batch.messages[1]));
  CHECK(std::holds_alternative<Invalid>(batch.messages[2]));
  CHECK(invalid("[]").code == ErrorCode::kInvalidRequest);
  Limits limits;
  limits.batch_count_max = 1;
  CHECK_THAT(invalid("[1,2]", limits).message, ContainsSubstring("at most 1"));
}

// The grammar is our own for speed: it may differ from the library in nothing but what parse.h says.
TEST_CASE("jsonrpc: what is a JSON value, and which, is what the library says of every small change of a text") {
  const auto check = [](const std::string& text) {
    Json value = Json::parse(text, nullptr, false);
    const std::optional<Json> ours = parse_value(text);
    const bool is_equal = value.is_discarded() ? !ours
                                               : ours && ours->dump() == value.dump() &&
                                                     std::string(ours->type_name()) == value.type_name();
    INFO(text);
    CHECK(is_equal);
    if (value.is_discarded() || value.is_structured()) return;
    CHECK(ours->is_number_integer() == value.is_number_integer());
    CHECK(ours->is_number_unsigned() == value.is_number_unsigned());
  };
  const std::vector<std::string> texts = {
      R"({"a":[1,-20,3.25e+2,true,false,null,{}],"bcd" : {"c":"d\"\\\/\b\f\n\r\t"}} )",
      R"(["\u00e9\ud83d\ude00\u0000\uD800\uDC00","\ud83d","\ude00","\uDBFF\uE000"])",
      R"("\ud83d\ude00\u12AbF")",
      "[\"\xC3\xA9\xE2\x9F\xA6\xF0\x9F\x98\x80\xED\x9F\xBF\xEE\x80\x80\x7F\"]",
      "\xEF\xBB\xBF [ ]",
      "-0",
      "0.0",
      "-0.5E-3",
      "18446744073709551615",
      "18446744073709551616",
      "-9223372036854775808",
      "-9223372036854775809",
      "1e308",
      "1e309",
      "-1e309",
      "4.9e-324",
      "1e-400",
      "100000000000000000000000000000000000000e-400",
      "[[],[[{}]],\t{\"\":{}}\r\n]",
  };
  const std::string others = "\"\\/{}[],:-+.019eEtfnu aA \t\n\x01\x1F\x7F\x80\xBF\xC0\xC2\xE0\xED\xEF\xF0\xF4\xF5\xFF";
  for (const std::string& text : texts) {
    check(text);
    for (size_t at = 0; at <= text.size(); ++at) {
      check(text.substr(0, at));
      if (at < text.size()) check(text.substr(0, at) + text.substr(at + 1));
      for (const char other : others) {
        check(text.substr(0, at) + other + text.substr(at));
        if (at < text.size()) check(text.substr(0, at) + other + text.substr(at + 1));
      }
    }
  }
}

TEST_CASE("jsonrpc: of a member that means nothing only its name is kept, and a repeated one is seen among many") {
  std::string members;
  for (int i = 0; i < 1000; ++i) members += R"("x)" + std::to_string(i) + R"(":{"method":"no","id":[9]},)";
  const std::string end = R"("params":{"a":1},"method":"m","id":7,"jsonrpc":"2.0"})";
  CHECK(request("{" + members + end).method == "m");
  CHECK(request("{" + members + end).params == Json({{"a", 1}}));
  const Invalid refused = invalid("{" + members + R"("x500":1,)" + end);
  CHECK(refused.id == Id(int64_t{7}));
  CHECK_THAT(refused.message, ContainsSubstring("twice"));
}

TEST_CASE("jsonrpc: a byte order mark is skipped") { CHECK(request("\xEF\xBB\xBF" + with_id("1")).method == "ping"); }

TEST_CASE("jsonrpc: a single value keeps to the same limits") {
  CHECK(parse_value("[1,2]") == Json::array({1, 2}));
  CHECK_FALSE(parse_value("[1,2").has_value());
  CHECK_FALSE(parse_value(R"({"a":1,"a":2})").has_value());
  Limits limits;
  limits.depth_max = 1;
  CHECK(parse_value("[1]", limits).has_value());
  CHECK_FALSE(parse_value("[[1]]", limits).has_value());
}
