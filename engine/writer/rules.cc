#include "engine/writer/rules.h"

#include <fmt/format.h>

namespace khipu::writer {

bool Rules::concern(const codec::Statement& statement) {
  return std::holds_alternative<codec::Retention>(statement) || std::holds_alternative<codec::Hold>(statement) ||
         std::holds_alternative<codec::Clock>(statement) || std::holds_alternative<codec::Shred>(statement);
}

Result<void> Rules::check(const codec::Statement& statement) const {
  if (const auto* retention = std::get_if<codec::Retention>(&statement)) {
    const char* const table = table_name(retention->table);
    if (retention->table != TableId::kLogs && retention->table != TableId::kAccess) {
      return Error{Code::kInvalid, fmt::format("{} is never purged", table)};
    }
    if (retention->table == TableId::kLogs && !holds.empty()) {
      return Error{Code::kConflict,
                   fmt::format("hold \"{}\" is set: it forbids all retention of logs", *holds.begin())};
    }
    const Row next = retained[index_of(retention->table)];
    if (retention->from != next || retention->to <= retention->from) {
      return Error{Code::kConflict,
                   fmt::format("retention of {} rows [{}, {}) does not go on at row {}, where the last one ended",
                               table, retention->from.value, retention->to.value, next.value)};
    }
  }
  if (std::holds_alternative<codec::Shred>(statement) && !holds.empty()) {
    return Error{Code::kConflict, fmt::format("hold \"{}\" is set: it forbids shredding", *holds.begin())};
  }
  const auto* clock = std::get_if<codec::Clock>(&statement);
  if (clock != nullptr && clock->event == codec::ClockEvent::kCleared && !clock_stepped) {
    return Error{Code::kConflict, "no step of the clock is there to be cleared: retention by age is not suspended"};
  }
  if (const auto* hold = std::get_if<codec::Hold>(&statement)) {
    const bool is_set = holds.contains(hold->name);
    if (hold->set && is_set) return Error{Code::kConflict, "hold \"" + hold->name + "\" is set already"};
    if (!hold->set && !is_set) return Error{Code::kNotFound, "no hold \"" + hold->name + "\" is set"};
  }
  return {};
}

void Rules::apply(const codec::Statement& statement) {
  if (const auto* retention = std::get_if<codec::Retention>(&statement)) {
    retained[index_of(retention->table)] = retention->to;
    retained_segment[index_of(retention->table)] = retention->last_segment.next();
  } else if (const auto* hold = std::get_if<codec::Hold>(&statement)) {
    hold->set ? void(holds.insert(hold->name)) : void(holds.erase(hold->name));
  } else if (const auto* clock = std::get_if<codec::Clock>(&statement)) {
    clock_stepped = clock->event == codec::ClockEvent::kStepped;
  }
}

}  // namespace khipu::writer
