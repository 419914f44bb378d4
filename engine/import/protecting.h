// `khipu import --protect actor.email=sealed,exact`: a mapper whose definitions carry rules. Sealing itself is the
// writer's; what this room sees to is that nothing it writes or prints beside the log repeats a value.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/import/mapper.h"

namespace khipu::import {

// Each word is WHERE=RULE. WHERE: TYPE.FIELD, or actor.FIELD, target.FIELD for that field of every type the mapper
// defines, or custom.COLUMN. kInvalid for a rule that is none and for a place the mapper has not.
Result<std::unique_ptr<Mapper>> make_protecting_mapper(std::unique_ptr<Mapper> mapper,
                                                       const std::vector<std::string>& words);

// What may be told of why a record was refused, when its values are not to be: the reason up to the first quotation.
std::string reason_without_values(std::string_view reason);

}  // namespace khipu::import
