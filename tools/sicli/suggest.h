// The word that was probably meant.
#ifndef SISYPHUS_TOOLS_SICLI_SUGGEST_H_
#define SISYPHUS_TOOLS_SICLI_SUGGEST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sisyphus::sicli {

// How many letters to insert, leave out, change or swap with their neighbour to get from one word
// to the other (no part is changed twice).
size_t EditDistance(std::string_view a, std::string_view b);

// "; did you mean WORD?", or nothing if no candidate is close or a usual other word for it.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_SUGGEST_H_
