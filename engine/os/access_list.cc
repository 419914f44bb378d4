#include "engine/os/access_list.h"

namespace khipu::os {

Result<std::vector<AccessEntry>> parse_access_list(Bytes bytes) {
  constexpr uint32_t kVersion = 2;
  constexpr size_t kEntrySize = 8;
  if (bytes.size() < 4 || (bytes.size() - 4) % kEntrySize != 0 || load_le<uint32_t>(bytes.data()) != kVersion) {
    return Error{Code::kCorrupt, "an access control list in no form that is known"};
  }
  std::vector<AccessEntry> list;
  for (size_t at = 4; at < bytes.size(); at += kEntrySize) {
    AccessEntry entry;
    const auto who = load_le<uint16_t>(bytes.data() + at), rights = load_le<uint16_t>(bytes.data() + at + 2);
    entry.who = static_cast<AccessEntry::Who>(who);
    entry.rights = static_cast<uint8_t>(rights);
    entry.id = load_le<uint32_t>(bytes.data() + at + 4);
    if (who == 0 || who > 32 || (who & (who - 1)) != 0 || rights > 7) {
      return Error{Code::kCorrupt, "an access control list with an entry that is not known"};
    }
    list.push_back(entry);
  }
  return list;
}

}  // namespace khipu::os
