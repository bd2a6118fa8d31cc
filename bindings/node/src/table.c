/*
 * Ids for what JavaScript holds in place of pointers. An id is a slot of the table and how often
 * the slot was used before: that of an item which is gone is not the id of the next in its slot.
 */
#include "addon.h"

#include <stdlib.h>

enum { SLOT_BITS = 22, FIRST_SLOTS = 16 };

/* Where pointers have 32 bits a slot's ids are the same again after 1023 uses. */
#define MOST_USES (ADDON_MOST_ID >> SLOT_BITS)

struct addon_slot {
  void *item; /* NULL: none, or not to be found yet */
  uintptr_t uses;
  uint32_t next_free; /* of a free slot: the next one */
};

static uint32_t slot_of(addon_id id) {
  return (uint32_t)(id & ((UINT32_C(1) << SLOT_BITS) - 1));
}

static addon_id id_of(const struct addon_table *table, uint32_t slot) {
  return table->slots[slot].uses << SLOT_BITS | slot;
}

static bool grow(struct addon_table *table) {
  uint32_t capacity = table->capacity == 0 ? FIRST_SLOTS : 2 * table->capacity;
  if (capacity > UINT32_C(1) << SLOT_BITS)
    return false;
  struct addon_slot *slots = realloc(table->slots, capacity * sizeof *slots);
  if (slots == NULL)
    return false;
  for (uint32_t i = table->capacity; i < capacity; i++)
    slots[i] = (struct addon_slot){.item = NULL, .uses = 1, .next_free = i + 1};
  table->slots = slots;
  table->first_free = table->capacity;
  table->capacity = capacity;
  return true;
}

addon_id addon_table_add(struct addon_table *table, void *item) {
  if (table->first_free == table->capacity && !grow(table))
    return 0;
  uint32_t slot = table->first_free;
  table->first_free = table->slots[slot].next_free;
  table->slots[slot].item = item;
  return id_of(table, slot);
}

/* NULL: no such id. */
static struct addon_slot *find(const struct addon_table *table, addon_id id) {
  uint32_t slot = slot_of(id);
  if (slot >= table->capacity || id_of(table, slot) != id)
    return NULL;
  return &table->slots[slot];
}

void *addon_table_get(const struct addon_table *table, addon_id id) {
  const struct addon_slot *slot = find(table, id);
  return slot != NULL ? slot->item : NULL;
}

void addon_table_set(struct addon_table *table, addon_id id, void *item) {
  struct addon_slot *slot = find(table, id);
  if (slot != NULL)
    slot->item = item;
}

void *addon_table_remove(struct addon_table *table, addon_id id) {
  struct addon_slot *slot = find(table, id);
  if (slot == NULL)
    return NULL;
  void *item = slot->item;
  slot->item = NULL;
  slot->uses = slot->uses < MOST_USES ? slot->uses + 1 : 1;
  slot->next_free = table->first_free;
  table->first_free = (uint32_t)(slot - table->slots);
  return item;
}

addon_id addon_table_next(const struct addon_table *table, addon_id after) {
  uint32_t slot = after == 0 ? 0 : slot_of(after) + 1;
  for (; slot < table->capacity; slot++)
    if (table->slots[slot].item != NULL)
      return id_of(table, slot);
  return 0;
}

void addon_table_free(struct addon_table *table) {
  free(table->slots);
  *table = (struct addon_table){.slots = NULL};
}
