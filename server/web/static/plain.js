// A page that has nothing but what all pages have.

import { startPage } from "./page.js";

startPage();
