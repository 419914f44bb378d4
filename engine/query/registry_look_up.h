// One entity found through the indexes of registry/, without learning the registry: for a process that asks once. What
// no index covers, 8,191 rows behind the last run as a rule, is looked through. Internal to this room.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/snapshot/store.h"

namespace khipu::query {

// The row of its first version; nullopt: there is no such entity. kCorrupt: an index or a row cannot be believed, and
// whoever reads every row says which. `failed`: of a merged index that is not what its statement says, in whose place
// the segments' own are asked.
Result<std::optional<Row>> look_up_entity(const snapshot::Snapshot& snapshot, std::string_view type,
                                          std::string_view id, const snapshot::Snapshot::MergedFailed& failed);
// The rows of all its versions, ascending.
Result<std::vector<Row>> look_up_versions(const snapshot::Snapshot& snapshot, std::string_view type,
                                          std::string_view id, const snapshot::Snapshot::MergedFailed& failed);

}  // namespace khipu::query
