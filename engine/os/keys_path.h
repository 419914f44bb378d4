// Where the writer's keys lie when nobody says where.
#pragma once

#include <string>

namespace khipu::os {

// ROOT.keys beside the root: beside its name as it is given where that is there, else beside the folder that the name
// leads to, so that `.`, `log/.` and a link are the log that they stand for.
std::string keys_beside(const std::string& root);

}  // namespace khipu::os
