// A foreign JSON record parsed for looking into (simdjson), and an event built up from what is found. The record's own
// bytes go into `content` untouched; what is parsed here is a copy.
#pragma once

#include <simdjson.h>

#include <initializer_list>
#include <optional>

#include "engine/import/mapper.h"

namespace khipu::import {

using Json = simdjson::dom::element;

// Owner: one thread. An element lives until the next parse.
class RecordParser {
 public:
  // An object in which no object names a member twice, or kInvalid with the place. A number that fits no 64 bits and no
  // double is a text of its digits. What passes here also passes ingest::check_json, which is asked on the writer's
  // side of the socket.
  Result<Json> parse(std::string_view text);

 private:
  Result<Json> parse_any(std::string_view text);
  simdjson::dom::parser parser_;
  std::vector<std::string_view> names_;  // scratch
};

// The value below these members; nullopt when one is absent or null.
std::optional<Json> find(Json from, std::initializer_list<std::string_view> path);
// The same as text; "" unless it is a string.
std::string_view text(Json from, std::initializer_list<std::string_view> path);
// Text, number or boolean as text; "" for others. For members that sources write both ways.
std::string scalar(Json from, std::initializer_list<std::string_view> path);

// One event in the making. Every view it takes is copied into the batch, except literals given as types and names.
class EventBuilder {
 public:
  explicit EventBuilder(ingest::Batch& batch) : batch_(batch) {}

  std::string_view keep(std::string_view text) { return batch_.keep(text); }
  // Fields for the next entity(); empty values are left out. `name` must be a literal or kept.
  void field(std::string_view name, std::string_view value);
  void json_field(std::string_view name, std::string_view json);
  void value_field(std::string_view name, const codec::Value& value);
  ingest::EntityInput entity(std::string_view type, std::string_view id);
  // A target; one that is already there by type and id is not added twice.
  void target(const ingest::EntityInput& entity);
  // A custom column; an empty value is left out.
  void column(std::string_view name, std::string_view value);
  void column(std::string_view name, const codec::Value& value);
  // source_ip when the text is an address, else the column `source_host`.
  void origin(std::string_view address);
  // Appends the event with the record as its content.
  void finish(codec::ContentKind kind, const Record& record);

  ingest::Event event;

 private:
  ingest::Batch& batch_;
  std::vector<ingest::FieldInput> fields_;
  std::vector<ingest::EntityInput> targets_;
  std::vector<ingest::ColumnInput> columns_;
};

// Definitions in one line each: text_type("iam_user", {"arn", "name"}).
codec::TypeSchema text_type(std::string_view name, std::initializer_list<std::string_view> fields);
codec::ColumnSchema text_column(std::string_view name, bool indexed = false);

}  // namespace khipu::import
