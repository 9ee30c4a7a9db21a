/* Part of txwebsocket. See LICENSE for details.

   Tells libFuzzer where the native twin has been. It understands what Clang puts in for
   it; this lets it understand what GCC does as well: a call at each place, which says
   nothing but where it is made. */

#include <stdint.h>

enum { PLACES = 1 << 13 };

static uint8_t counters[PLACES];
static struct {
    const void *place;
    uintptr_t isEntry;
} places[PLACES];

void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end);
void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end);
void __sanitizer_cov_trace_pc(void);

__attribute__((constructor)) static void begin(void)
{
    for (int i = 0; i < PLACES; i++) {
        places[i].place = &counters[i];
    }
    __sanitizer_cov_8bit_counters_init(counters, counters + PLACES);
    __sanitizer_cov_pcs_init((const uintptr_t *)places,
                             (const uintptr_t *)(places + PLACES));
}

/* Hidden, since libFuzzer has a function of this name that only complains. */
__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void)
{
    counters[(uintptr_t)__builtin_return_address(0) % PLACES]++;
}
