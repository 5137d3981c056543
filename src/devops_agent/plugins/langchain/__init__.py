"""Any chat model as adviser, through LangChain."""
