# Files as C++: cmake -DOUTPUT=FILE.cc -DFOLDER=DIR -DFILES=a.html,b.css -P EmbedFiles.cmake
# Each becomes an array of bytes, so that no limit of literals is met; its ETag is its hash.
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
foreach(file ${files})
  file(READ ${FOLDER}/${file} bytes HEX)
  file(SHA256 ${FOLDER}/${file} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(MAKE_C_IDENTIFIER ${file} name)
  string(APPEND arrays "const unsigned char k_${name}[] = {${bytes}0};\n")
  set(path "/${file}")
  if(file MATCHES "\\.html$")
    set(type "text/html; charset=utf-8")
    set(path "/")
  elseif(file MATCHES "\\.css$")
    set(type "text/css; charset=utf-8")
  elseif(file MATCHES "\\.js$")
    set(type "text/javascript; charset=utf-8")
  elseif(file MATCHES "\\.svg$")
    set(type "image/svg+xml")
  else()
    set(type "application/json")
    set(path "/api/v1/${file}")
  endif()
  string(APPEND rows "      {\"${path}\", \"${type}\", {reinterpret_cast<const char*>(k_${name}), sizeof k_${name} - 1}, \"\\\"${hash}\\\"\"},\n")
endforeach()
file(WRITE ${OUTPUT}.new "// Made by cmake/EmbedFiles.cmake.
#include \"calve/serve/page_files.h\"

namespace calve::serve {
namespace {
${arrays}}  // namespace

const std::vector<PageFile>& PageFiles() {
  static const std::vector<PageFile> kFiles = {
${rows}  };
  return kFiles;
}

std::string_view OpenApiText() {
  for (const PageFile& file : PageFiles()) {
    if (file.path == \"/api/v1/openapi.json\") return file.text;
  }
  return \"\";
}

}  // namespace calve::serve
")
file(RENAME ${OUTPUT}.new ${OUTPUT})
