// Result<T>: a T or an Error, and the two macros that pass an Error on.
//
// Not exceptions: nothing of ours throws. A verdict ("the root differs") is a value, not an Error.
// Example to read beside this: Ladybird's AK/Error.h, Abseil's Status.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "engine/base/assert.h"

namespace khipu {

// A code exists where a caller acts differently on it; the message is for people.
enum class Code {
  kInvalid,      // the caller's input is wrong; the message says where and what would be right
  kNotFound,     // the named thing does not exist
  kConflict,     // the same key was used with another body; a schema change is not additive
  kLocked,       // another process owns the root
  kCorrupt,      // bytes on disk are not what they must be: evidence, never cut away
  kUnsupported,  // a version or feature this build does not know
  kIo,           // a system call failed
  kNoSpace,      // ENOSPC or EDQUOT
  kPoisoned,     // the writer saw a failed write or sync and refuses until reopened
  kBusy,         // a bounded queue is full: retry later
  kForbidden,    // the caller lacks a grant or a file has the wrong owner or mode
  kPurged,       // not retained: removed under a RETENTION statement
  kCancelled,    // the caller asked to stop
  kLimit,        // over a stated bound
};

// The code as a stable lower-case word ("not_found"), for logs and JSON.
std::string_view code_name(Code code);

struct [[nodiscard]] Error {
  Code code = Code::kInvalid;
  std::string message;

  // Adds the where on the way up: "segment 7: frame at 4096: checksum mismatch".
  Error at(std::string_view where) && {
    message.insert(0, ": ");
    message.insert(0, where);
    return std::move(*this);
  }
};

// T, or why there is none. Dropping one does not compile; reading the wrong side asserts. A room whose callers need
// more than an Error brings its own E (engine/query/answer.h); what can be made of an Error then is, on its way up.
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
  template <typename Lower>
  requires(std::same_as<Lower, Error> && !std::same_as<E, Error>) Result(Lower error)
      : Result(E(std::move(error))) {}  // NOLINT: implicit on purpose

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

  const E& error() const& {
    KHIPU_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    KHIPU_ASSERT(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, E> state_;
};

template <typename E>
class [[nodiscard]] Result<void, E> {
 public:
  using value_type = void;
  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose
  template <typename Lower>
  requires(std::same_as<Lower, Error> && !std::same_as<E, Error>) Result(Lower error)
      : Result(E(std::move(error))) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const E& error() const& {
    KHIPU_ASSERT(error_.has_value());
    return *error_;
  }
  E&& error() && {
    KHIPU_ASSERT(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<E> error_;
};

// Names the place an Error passed through; a value goes through untouched.
template <typename T>
Result<T> at(std::string_view where, Result<T> result) {
  if (result.ok()) return result;
  return std::move(result).error().at(where);
}

}  // namespace khipu

#define KHIPU_CONCAT_(a, b) a##b
#define KHIPU_CONCAT(a, b) KHIPU_CONCAT_(a, b)

// KHIPU_TRY(file.sync());
#define KHIPU_TRY(expression)                                     \
  do {                                                            \
    if (auto khipu_result_ = (expression); !khipu_result_.ok()) { \
      return std::move(khipu_result_).error();                    \
    }                                                             \
  } while (false)

// KHIPU_TRY_ASSIGN(const Frame frame, reader.next());  A whole statement, not inside an unbraced if.
#define KHIPU_TRY_ASSIGN(declaration, ...)                           \
  auto KHIPU_CONCAT(khipu_result_, __LINE__) = (__VA_ARGS__);        \
  if (!KHIPU_CONCAT(khipu_result_, __LINE__).ok()) {                 \
    return std::move(KHIPU_CONCAT(khipu_result_, __LINE__)).error(); \
  }                                                                  \
  declaration = std::move(KHIPU_CONCAT(khipu_result_, __LINE__)).value()
