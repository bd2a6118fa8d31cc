/*
 * An addon of somebody else's, for hostile-addon.test.js: wrap(object) puts a pointer of its own
 * behind an object, external() makes one of it. Declares what it uses, so that it needs no headers.
 */
#include <stddef.h>

typedef struct opaque *value;
typedef value callback(void *env, void *info);

extern int napi_get_cb_info(void *env, void *info, size_t *argc, value *argv, value *self,
                            void **data);
extern int napi_wrap(void *env, value object, void *native, void *finalize, void *hint, void **ref);
extern int napi_create_external(void *env, void *data, void *finalize, void *hint, value *result);
extern int napi_create_function(void *env, const char *name, size_t length, callback *function,
                                void *data, value *result);
extern int napi_set_named_property(void *env, value object, const char *name, value property);

static char memory[4096]; /* what a struct would be read from: pointers that lead nowhere */

static value wrap(void *env, void *info) {
  size_t argc = 1;
  value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_wrap(env, argv[0], memory, NULL, NULL, NULL);
  return argv[0];
}

static value external(void *env, void *info) {
  value result = NULL;
  (void)info;
  napi_create_external(env, memory, NULL, NULL, &result);
  return result;
}

static void export(void *env, value exports, const char *name, callback *function) {
  value made = NULL;
  napi_create_function(env, name, (size_t)-1, function, NULL, &made);
  napi_set_named_property(env, exports, name, made);
}

value napi_register_module_v1(void *env, value exports) {
  for (size_t i = 0; i < sizeof memory; i++)
    memory[i] = 0x41;
  export(env, exports, "wrap", wrap);
  export(env, exports, "external", external);
  return exports;
}
