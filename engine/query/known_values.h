// The nearest values that a log does know, for an answer that is empty because a filter names one it does not. Not
// here: words of our own vocabulary (near.h), names of entities (find.h).
#pragma once

#include <stop_token>

#include "engine/query/entities.h"
#include "engine/query/filter.h"
#include "engine/query/rows.h"

namespace khipu::query {

// One note NEAREST_KNOWN for each argument with a value that no event has which this caller may see, while events have
// one that is written nearly the same: sources, actions, and texts of columns in the clear. The work is bounded: of
// each argument the first few values, of the log the words of its newest indexes and the newest rows, and of those only
// as many as it takes. `entities`: of whoever asks, with scope and masking. What fails is left out: it is advice.
void note_nearest_known(const snapshot::Snapshot& snapshot, const Filter& filter, const Entities& entities,
                        uint64_t registry_size, const std::stop_token& stop, std::vector<Note>& notes);

}  // namespace khipu::query
