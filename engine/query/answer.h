// Answer<T>: a T, or what is wrong with the question in a form that a person and a model can repair it from.
//
// Not base/Result: a caller of a query must learn which argument was wrong, what was allowed and what was meant, and
// both front ends (command line and MCP) print that from this one struct. The words are those of mcp/README.md
// "Errors".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/result.h"

namespace khipu::query {

struct QueryError {
  std::string code;   // "UNKNOWN_TYPE", "TIME_AMBIGUOUS", "CURSOR_EXPIRED", "NOT_FOUND", "UNAVAILABLE" ...
  std::string field;  // the argument that is wrong: "from", "actor", "target_match[1].field"; may be empty
  std::string got;    // the caller's own words, cut to 64 bytes; raw: whoever prints it escapes it
  std::vector<std::string> allowed;  // what would be right; refs of the candidates for AMBIGUOUS_ENTITY (log text!)
  std::string did_you_mean;
  std::string hint;            // a sentence made from our templates only, never from log text
  std::optional<Error> cause;  // set when the engine failed and the question was fine; says which file and why

  QueryError() = default;
  QueryError(std::string code_word, std::string which, std::string_view given, std::string sentence)
      : code(std::move(code_word)), field(std::move(which)), got(given.substr(0, 64)), hint(std::move(sentence)) {}
  // PURGED, BUSY, CANCELLED, NOT_FOUND, FORBIDDEN; everything else is UNAVAILABLE.
  explicit QueryError(Error error);
};

// The argument's name in front, for errors of parts: "not" + "actor" is "not.actor".
QueryError within(std::string_view argument, QueryError error);

// Works with KHIPU_TRY and KHIPU_TRY_ASSIGN; an Error of a lower room becomes a QueryError on the way.
template <typename T>
class [[nodiscard]] Answer {
 public:
  using value_type = T;
  Answer(T value) : state_(std::in_place_index<0>, std::move(value)) {}           // NOLINT: implicit on purpose
  Answer(QueryError error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
  Answer(Error error) : Answer(QueryError(std::move(error))) {}                   // NOLINT: implicit on purpose

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & {
    KHIPU_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    KHIPU_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    KHIPU_ASSERT(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  const QueryError& error() const& {
    KHIPU_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  QueryError&& error() && {
    KHIPU_ASSERT(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, QueryError> state_;
};

template <>
class [[nodiscard]] Answer<void> {
 public:
  using value_type = void;
  Answer() = default;
  Answer(QueryError error) : error_(std::move(error)) {}         // NOLINT: implicit on purpose
  Answer(Error error) : error_(QueryError(std::move(error))) {}  // NOLINT: implicit on purpose
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const QueryError& error() const& {
    KHIPU_ASSERT(error_.has_value());
    return *error_;
  }
  QueryError&& error() && {
    KHIPU_ASSERT(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<QueryError> error_;
};

}  // namespace khipu::query
