// Answer<T>: a T, or what is wrong with the question in a form that a person and a model can repair it from.
//
// Not an Error: a caller of a query must learn which argument was wrong, what was allowed and what was meant, and
// both front ends (command line and MCP) print that from this one struct. The words are those of mcp/README.md
// "Errors".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/query/finding.h"

namespace khipu::query {

struct QueryError {
  std::string code;   // "UNKNOWN_TYPE", "TIME_AMBIGUOUS", "CURSOR_EXPIRED", "NOT_FOUND", "UNAVAILABLE" ...
  std::string field;  // the argument that is wrong: "from", "actor", "target_match[1].field"; may be empty
  std::string got;    // the caller's own words, cut to 64 bytes; raw: whoever prints it escapes it
  std::vector<std::string> allowed;  // what would be right; refs of the candidates for AMBIGUOUS_ENTITY (log text!)
  std::string did_you_mean;
  std::string hint;            // a sentence made from our templates only, never from log text
  std::optional<Error> cause;  // set when the engine failed and the question was fine; says which file and why
  // Damage that may be why: who is not found may stand in a row that cannot be read.
  std::vector<Finding> findings = {};

  QueryError() = default;
  QueryError(std::string code_word, std::string which, std::string_view given, std::string sentence)
      : code(std::move(code_word)), field(std::move(which)), got(given.substr(0, 64)), hint(std::move(sentence)) {}
  // PURGED, BUSY, CANCELLED, NOT_FOUND, FORBIDDEN; everything else is UNAVAILABLE.
  explicit QueryError(Error error);
};

// The argument's name in front, for errors of parts: "not" + "actor" is "not.actor".
QueryError within(std::string_view argument, QueryError error);

template <typename T>
using Answer = Result<T, QueryError>;

}  // namespace khipu::query
