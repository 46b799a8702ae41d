// The files of the status page, src/api/page/, which the build embeds.
#ifndef SISYPHUS_API_PAGE_FILES_H_
#define SISYPHUS_API_PAGE_FILES_H_

#include <span>
#include <string_view>

namespace sisyphus::api {

struct PageFile {
  std::string_view name;  // "index.html"
  std::string_view content;
};

std::span<const PageFile> PageFiles();  // Lives forever.

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_PAGE_FILES_H_
