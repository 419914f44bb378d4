// How a mapping file says where a value comes from. A rule is an object with exactly one source:
//
//   {"pointer": "/user/name"}         a JSON Pointer into the record; of a line record, "/group" names a regex group
//   {"constant": "billing"}           {"concat": [rule, ...]} (absent if a part is)     {"first": [rule, ...]}
//
// and then, in this order and each optional: "regex" (RE2, with a named group; "group" picks one of several), "table"
// (value to value; what it does not list is absent), "default".
#pragma once

#include <re2/re2.h>

#include <deque>
#include <functional>
#include <map>

#include "engine/import/record_json.h"

namespace khipu::import {

// Texts that are not in the record as they are: a number, values put together. They live until clear().
class MadeTexts {
 public:
  std::string_view keep(std::string text) { return made_.emplace_back(std::move(text)); }
  void clear() { made_.clear(); }

 private:
  std::deque<std::string> made_;
};

// What pointers look into: a JSON value, or a line cut by a regex.
struct Lookup {
  std::optional<Json> json;
  const std::map<std::string, std::string_view, std::less<>>* groups = nullptr;
  MadeTexts& made;
};

class Rule {
 public:
  // `where` is the place in the mapping file, for messages; `allowed` are further members the caller reads itself.
  static Result<Rule> parse(Json json, const std::string& where, std::initializer_list<std::string_view> allowed = {});
  // Views into the record, the rule or from.made.
  std::optional<std::string_view> text(const Lookup& from) const;
  // The value by the kind wanted: json keeps objects and arrays, number must be one. nullopt when absent; kInvalid when
  // it is there and of another kind.
  Result<std::optional<std::string_view>> of_kind(const Lookup& from, codec::ValueKind kind) const;

  // The first text written in the rule that it may come to and that `known` does not know, but "".
  std::optional<std::string> stray(const std::function<bool(std::string_view)>& known) const;

 private:
  enum class Source { kPointer, kConstant, kConcat, kFirst };
  std::optional<std::string_view> raw(const Lookup& from, bool json) const;

  Source source_ = Source::kConstant;
  std::string text_;               // pointer or constant
  std::vector<std::string> keys_;  // of the pointer, when it is plain names
  std::vector<Rule> parts_;
  std::shared_ptr<const RE2> regex_;
  int group_ = 0;
  std::optional<std::map<std::string, std::string, std::less<>>> table_;
  std::optional<std::string> default_;
};

// Helpers of the mapping file's reader: every object has a closed list of members.
Error mapping_error(const std::string& where, std::string what);
Result<void> known_members(Json object, const std::string& where, std::span<const std::string_view> names);
Result<std::string> mapping_text(Json value, const std::string& where);
// kInvalid unless it is a JSON Pointer (RFC 6901) into an object or array.
Result<void> check_pointer(std::string_view pointer, const std::string& where);
// Compiled with bounded memory; kInvalid when it is no RE2 expression or has no named group.
Result<std::shared_ptr<const RE2>> compile_regex(const std::string& pattern, const std::string& where);

}  // namespace khipu::import
