#include "engine/crypto/credential.h"

namespace khipu::crypto {

bool granted_to_us_alone(const os::FileStatus& status, const std::vector<os::AccessEntry>& list, uint32_t user_id) {
  using Who = os::AccessEntry::Who;
  if (status.owner_uid != 0 || (status.permissions & 0777 & ~0440U) != 0) return false;
  bool mask = false, ours = false;
  for (const os::AccessEntry& entry : list) {
    switch (entry.who) {
      case Who::kOwner: break;  // root
      case Who::kMask: mask = true; break;
      case Who::kUser:
        if (entry.rights != 0 && (entry.id != user_id || entry.rights != 4)) return false;
        ours = ours || entry.rights == 4;
        break;
      case Who::kGroup:
      case Who::kNamedGroup:
      case Who::kOther:
        if (entry.rights != 0) return false;
        break;
    }
  }
  return mask && ours;
}

}  // namespace khipu::crypto
