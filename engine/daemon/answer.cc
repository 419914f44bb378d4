#include "engine/daemon/answer.h"

#include <nlohmann/json.hpp>

namespace khipu::daemon {
namespace {

using Json = nlohmann::ordered_json;

// One table: what a caller may do about it decides the number.
int http_status(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kLimit: return 413;
    case Code::kUnsupported: return 415;
    case Code::kForbidden: return 403;
    case Code::kBusy:
    case Code::kPoisoned:
    case Code::kLocked:
    case Code::kCancelled: return 503;
    case Code::kNoSpace: return 507;
    case Code::kCorrupt:
    case Code::kIo:
    case Code::kPurged: return 500;
  }
  return 500;
}

HttpResponse error_with(int status, std::string_view code, std::string_view message, const Place& place) {
  Json error = {{"code", code}, {"message", message}};
  if (place.line > 0) error["line"] = place.line;
  if (!place.path.empty()) error["path"] = place.path;
  HttpResponse response;
  response.status = status;
  response.body = Json{{"schema", "khipu.error/v1"}, {"error", std::move(error)}}.dump(-1, ' ', false,
                                                                                       Json::error_handler_t::replace);
  if (status == 503) response.retry_after_s = 1;
  return response;
}

}  // namespace

std::string receipt_json(const writer::Receipt& receipt) {
  std::string text = "{\"schema\":\"khipu.receipt/v1\",\"first_seq\":";
  text += receipt.count == 0 ? "null" : std::to_string(receipt.first_seq.value);
  text += ",\"count\":" + std::to_string(receipt.count) + ",\"seqs\":[";
  for (uint64_t i = 0; i < receipt.count; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(receipt.seqs.empty() ? receipt.first_seq.value + i : receipt.seqs[i].value);
  }
  text += "],\"durable\":";
  text += receipt.durable ? "true" : "false";
  text += ",\"duplicate\":";
  text += receipt.duplicate ? "true" : "false";
  text += ",\"commit\":" + std::to_string(receipt.commit.value) + "}";
  return text;
}

Result<writer::Receipt> parse_receipt(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  writer::Receipt receipt;
  try {
    if (parsed.at("schema") != "khipu.receipt/v1") return Error{Code::kUnsupported, "a receipt of another version"};
    if (!parsed.at("first_seq").is_null()) receipt.first_seq = {parsed.at("first_seq").get<uint64_t>()};
    receipt.count = parsed.at("count").get<uint64_t>();
    for (const Json& seq : parsed.at("seqs")) receipt.seqs.push_back({seq.get<uint64_t>()});
    receipt.durable = parsed.at("durable").get<bool>();
    receipt.duplicate = parsed.at("duplicate").get<bool>();
    receipt.commit = {parsed.at("commit").get<uint64_t>()};
  } catch (const Json::exception&) {
    return Error{Code::kCorrupt, "the writer's answer is not a receipt"};
  }
  if (receipt.seqs.size() != receipt.count) return Error{Code::kCorrupt, "the writer's receipt does not add up"};
  return receipt;
}

HttpResponse error_response(const Error& error, const Place& place) {
  return error_with(http_status(error.code), code_name(error.code), error.message, place);
}

HttpResponse error_response(int status, std::string_view code, std::string_view message) {
  return error_with(status, code, message, {});
}

Error parse_error(const HttpAnswer& answer) {
  const Json parsed = Json::parse(answer.body, nullptr, false);
  try {
    const Json& error = parsed.at("error");
    const std::string code = error.at("code").get<std::string>();
    for (int i = 0; i <= static_cast<int>(Code::kLimit); ++i) {
      if (code_name(static_cast<Code>(i)) == code) return Error{static_cast<Code>(i), error.at("message")};
    }
    return Error{Code::kIo, error.at("message")};
  } catch (const Json::exception&) {
    return Error{Code::kIo, "the writer answered HTTP status " + std::to_string(answer.status)};
  }
}

}  // namespace khipu::daemon
