/*
 * Ids that JavaScript holds in place of pointers. An id is a slot of the table and the number of
 * times that the slot was used before, so the id of an item that is gone is not the next item's.
 */
#include "addon.h"

#include <stdlib.h>

enum { TABLE_SLOT_BITS = 22, TABLE_FIRST_SLOTS = 16 };

/* Where pointers have 32 bits a slot's ids are the same again after 1023 uses. */
#define TABLE_MAX_USES (ADDON_MAX_ID >> TABLE_SLOT_BITS)

struct addon_slot {
  void *item; /* NULL: none, or not to be found yet */
  uintptr_t uses;
  uint32_t next_free; /* of a free slot: the next one */
};

static uint32_t table_slot_of(addon_id id) {
  return (uint32_t)(id & ((UINT32_C(1) << TABLE_SLOT_BITS) - 1));
}

static addon_id table_id_of(const struct addon_table *table, uint32_t slot) {
  return table->slots[slot].uses << TABLE_SLOT_BITS | slot;
}

static bool table_grow(struct addon_table *table) {
  uint32_t capacity = table->capacity == 0 ? TABLE_FIRST_SLOTS : 2 * table->capacity;
  if (capacity > UINT32_C(1) << TABLE_SLOT_BITS)
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
  if (table->first_free == table->capacity && !table_grow(table))
    return 0;
  uint32_t slot = table->first_free;
  table->first_free = table->slots[slot].next_free;
  table->slots[slot].item = item;
  return table_id_of(table, slot);
}

/* NULL: no such id. */
static struct addon_slot *table_find(const struct addon_table *table, addon_id id) {
  uint32_t slot = table_slot_of(id);
  if (slot >= table->capacity || table_id_of(table, slot) != id)
    return NULL;
  return &table->slots[slot];
}

void *addon_table_get(const struct addon_table *table, addon_id id) {
  const struct addon_slot *slot = table_find(table, id);
  return slot != NULL ? slot->item : NULL;
}

void addon_table_set(struct addon_table *table, addon_id id, void *item) {
  struct addon_slot *slot = table_find(table, id);
  if (slot != NULL)
    slot->item = item;
}

void *addon_table_remove(struct addon_table *table, addon_id id) {
  struct addon_slot *slot = table_find(table, id);
  if (slot == NULL)
    return NULL;
  void *item = slot->item;
  slot->item = NULL;
  slot->uses = slot->uses < TABLE_MAX_USES ? slot->uses + 1 : 1;
  slot->next_free = table->first_free;
  table->first_free = (uint32_t)(slot - table->slots);
  return item;
}

addon_id addon_table_next(const struct addon_table *table, addon_id after) {
  uint32_t slot = after == 0 ? 0 : table_slot_of(after) + 1;
  for (; slot < table->capacity; slot++)
    if (table->slots[slot].item != NULL)
      return table_id_of(table, slot);
  return 0;
}

void addon_table_free(struct addon_table *table) {
  free(table->slots);
  *table = (struct addon_table){.slots = NULL};
}
