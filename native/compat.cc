// Lets a binary of a new compiler run wherever Node.js runs.
//
// libstdc++ has this function since GCC 11, and its headers' containers call it; Node.js itself runs with the library
// of GCC 5. The addon is built without exceptions, so there is nothing to throw.
#include <cstdlib>

namespace std {

[[noreturn]] void __throw_bad_array_new_length() { abort(); }

}  // namespace std
