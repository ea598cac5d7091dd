// Lets what a new compiler built run wherever Node.js runs.
//
// libstdc++ has this function since GCC 11, and the containers in its headers call it; Node.js itself is content with
// the library of GCC 5. There is nothing to throw to: the addon is built without exceptions.
#include <cstdlib>

namespace std {

[[noreturn]] void __throw_bad_array_new_length() { abort(); }

}  // namespace std
