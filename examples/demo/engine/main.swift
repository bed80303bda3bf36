print("demo engine")
