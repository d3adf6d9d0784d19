/* What a person calls a device whose ProductType is "iPhone15,4". */
#ifndef MODEL_H
#define MODEL_H

/* "iPhone 15"; the product type itself when it is not in the table. Never
 * NULL. */
const char *model_name(const char *product_type);

#endif
