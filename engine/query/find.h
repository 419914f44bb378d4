// Who or what a text may mean: entities with when and how often the log saw them. Never a guess: all that match equally
// well are told.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "engine/query/rows.h"

namespace khipu::query {

enum class Role : uint8_t { kAny, kActor, kTarget };

struct FindRequest {
  std::string text;  // "type:id", or part of an id or name; letters either case
  std::string type;  // only this type; empty: all
  Role role = Role::kAny;
  bool include_deleted = true;
  uint32_t limit = 10;
  std::stop_token stop;
};
struct SeenEntity {
  FoundEntity entity;
  std::string match;                            // "exact", "prefix", "contains"
  uint64_t events = 0;                          // that it acted in, or was a target of; with a role, that alone
  std::optional<TimeUs> first_seen, last_seen;  // occurred_at
  // Of the newest version: which field is its name, and what its fields may hide in that.
  std::string name_field;
  std::vector<NamedOwnedValue> fields;
};
struct FoundEntities {
  AsOf as_of;
  TimeUs server_time = 0;
  Coverage coverage;
  std::vector<SeenEntity>
      entities;        // best match first: whole, start, inside; id, current name, past name; registration
  uint64_t total = 0;  // all that match
  bool events_are_lower_bound = false;
  uint64_t unshown = 0;  // whose record failed its check
  std::vector<Finding> findings;
  uint64_t findings_total = 0;
  std::vector<Note> notes;
};

}  // namespace khipu::query
