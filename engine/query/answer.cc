#include "engine/query/answer.h"

namespace khipu::query {
namespace {

const char* word(Code code) {
  switch (code) {
    case Code::kPurged: return "PURGED";
    case Code::kBusy: return "BUSY";
    case Code::kCancelled: return "CANCELLED";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kForbidden: return "FORBIDDEN";
    default: return "UNAVAILABLE";
  }
}

}  // namespace

QueryError::QueryError(Error error) : code(word(error.code)) {
  switch (error.code) {
    case Code::kPurged: hint = error.message + ": retention took them while this was answered. Ask again."; break;
    case Code::kBusy: hint = "Too much is being asked at once. Ask again in a moment."; break;
    case Code::kCancelled: hint = "The question was withdrawn."; break;
    default: hint = "The log could not be read. The operator's messages say why; `khipu verify` names damage."; break;
  }
  cause = std::move(error);
}

QueryError within(std::string_view argument, QueryError error) {
  error.field = error.field.empty() ? std::string(argument) : std::string(argument) + "." + error.field;
  return error;
}

}  // namespace khipu::query
